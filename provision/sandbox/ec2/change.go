package ec2

import (
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, terminateInstances, terminateAccess)
	core.Register(service, stopInstances, stopAccess)
	core.Register(service, startInstances, startAccess)
	core.Register(service, modifyInstanceAttribute, instanceAccess)
	core.Register(service, modifyInstanceMetadataOptions, instanceAccess)
}

// several finds all of the instances, or returns an error.
func (r *request) several(ids []string) (list []*instance, err error) {
	for _, id := range ids {
		i, err := r.find(id)
		if err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	return list, nil
}

func (r *request) stateChange(i *instance, was *types.InstanceState) types.InstanceStateChange {
	return types.InstanceStateChange{InstanceId: &i.ID, PreviousState: was, CurrentState: r.instanceState(i)}
}

// terminateInstances does nothing to a terminated instance. Stop protection also
// protects against termination.
func terminateInstances(r *request, in *ec2.TerminateInstancesInput) (*ec2.TerminateInstancesOutput, error) {
	list, err := r.several(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		for attribute, set := range map[string]bool{"disableApiTermination": i.NoTerminate, "disableApiStop": i.NoStop} {
			if set {
				return nil, core.Fail("OperationNotPermitted", "The instance '%s' may not be terminated. Modify its '%s' instance attribute and try again.", i.ID, attribute)
			}
		}
	}
	out := &ec2.TerminateInstancesOutput{}
	for _, i := range list {
		was := r.instanceState(i)
		if s := r.state(i); s != "terminated" && s != "shutting-down" {
			r.end(i, "Client.UserInitiatedShutdown")
		}
		out.TerminatingInstances = append(out.TerminatingInstances, r.stateChange(i, was))
	}
	return out, nil
}

// end terminates an instance.
func (r *request) end(i *instance, reason string) {
	r.move(i, "shutting-down")
	i.Reason = reason
	for _, v := range r.db().sortedVolumes(i.ID) {
		if v.Ends {
			delete(r.db().Volumes, v.ID)
		} else {
			v.Instance = ""
		}
	}
}

// PowerOff is what happens when the operating system of an instance in the call's region
// shuts down.
func PowerOff(call *core.Request, id string) {
	const reason = "Client.InstanceInitiatedShutdown"
	r := &request{call}
	i := r.db().Instances[id]
	switch {
	case i == nil || r.state(i) != "running":
	case i.ShutdownBehavior == "terminate":
		r.end(i, reason)
	default:
		r.move(i, "stopping")
		i.Reason = reason
	}
}

func stopInstances(r *request, in *ec2.StopInstancesInput) (*ec2.StopInstancesOutput, error) {
	list, err := r.several(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		switch s := r.state(i); {
		case i.NoStop:
			return nil, core.Fail("OperationNotPermitted", "The instance '%s' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.", i.ID)
		case s != "running" && s != "stopping" && s != "stopped":
			return nil, core.Fail("IncorrectInstanceState", "This instance '%s' is not in a state from which it can be stopped.", i.ID)
		}
	}
	out := &ec2.StopInstancesOutput{}
	for _, i := range list {
		was := r.instanceState(i)
		if r.state(i) == "running" {
			r.move(i, "stopping")
			i.Reason = "Client.UserInitiatedShutdown"
		}
		out.StoppingInstances = append(out.StoppingInstances, r.stateChange(i, was))
	}
	return out, nil
}

func startInstances(r *request, in *ec2.StartInstancesInput) (*ec2.StartInstancesOutput, error) {
	list, err := r.several(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if s := r.state(i); s != "stopped" && s != "running" && s != "pending" {
			return nil, core.Fail("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be started.", i.ID)
		}
	}
	out := &ec2.StartInstancesOutput{}
	for _, i := range list {
		was := r.instanceState(i)
		if r.state(i) == "stopped" {
			r.move(i, "pending")
			if i.Reason = r.undecrypted(i); i.Reason != "" {
				r.move(i, "stopping")
			}
		}
		out.StartingInstances = append(out.StartingInstances, r.stateChange(i, was))
	}
	return out, nil
}

// modifyInstanceAttribute changes one attribute. Some attributes can change only
// while the instance is stopped.
func modifyInstanceAttribute(r *request, in *ec2.ModifyInstanceAttributeInput) (*ec2.ModifyInstanceAttributeOutput, error) {
	i, err := r.find(aws.ToString(in.InstanceId))
	if err != nil {
		return nil, err
	}
	changes := map[bool][]func() error{}
	add := func(given bool, f func() error) { changes[given] = append(changes[given], f) }
	add(in.DisableApiTermination != nil, func() error { i.NoTerminate = aws.ToBool(in.DisableApiTermination.Value); return nil })
	add(in.DisableApiStop != nil, func() error { i.NoStop = aws.ToBool(in.DisableApiStop.Value); return nil })
	add(in.InstanceInitiatedShutdownBehavior != nil, func() error {
		i.ShutdownBehavior = aws.ToString(in.InstanceInitiatedShutdownBehavior.Value)
		return nil
	})
	add(len(in.Groups) > 0, func() error { return r.join(r.interfaceOf(i), in.Groups) })
	add(in.UserData != nil, func() error { // the SDK encodes a blob on the wire
		i.UserData = base64.StdEncoding.EncodeToString(in.UserData.Value)
		return nil
	})
	add(in.InstanceType != nil, func() error {
		name := aws.ToString(in.InstanceType.Value)
		if _, ok := findType(name); !ok {
			return core.Fail("InvalidParameterValue", "Invalid value '%s' for InstanceType.", name)
		}
		i.Type = name
		return nil
	})
	if len(changes[true]) != 1 {
		return nil, core.Fail("InvalidParameterCombination", "Fields for multiple attribute types specified, or none")
	}
	if (in.InstanceType != nil || in.UserData != nil) && r.state(i) != "stopped" {
		return nil, core.Fail("IncorrectInstanceState", "The instance '%s' is not in the 'stopped' state.", i.ID)
	}
	return &ec2.ModifyInstanceAttributeOutput{}, changes[true][0]()
}

func modifyInstanceMetadataOptions(r *request, in *ec2.ModifyInstanceMetadataOptionsInput) (*ec2.ModifyInstanceMetadataOptionsOutput, error) {
	i, err := r.find(aws.ToString(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if s := r.state(i); s != "running" && s != "stopped" {
		return nil, core.Fail("IncorrectInstanceState", "The instance '%s' is not in a state from which its metadata options can be changed.", i.ID)
	}
	err = i.Metadata.set(in.HttpTokens, in.HttpPutResponseHopLimit, in.HttpEndpoint, in.InstanceMetadataTags)
	return &ec2.ModifyInstanceMetadataOptionsOutput{InstanceId: &i.ID}, err
}
