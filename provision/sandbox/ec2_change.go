package sandbox

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func init() {
	on(terminateInstances)
	on(stopInstances)
	on(startInstances)
	on(modifyInstanceAttribute)
	on(modifyInstanceMetadataOptions)
	on(associateProfile)
	on(replaceProfile)
	on(disassociateProfile)
	on(describeProfiles)
}

// several finds all of the instances, or none.
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

// terminateInstances does nothing to an instance that is terminated. Protection
// against stopping protects against this, too.
func terminateInstances(r *request, in *ec2.TerminateInstancesInput) (*ec2.TerminateInstancesOutput, error) {
	list, err := r.several(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		for attribute, set := range map[string]bool{"disableApiTermination": i.NoTerminate, "disableApiStop": i.NoStop} {
			if set {
				return nil, fail("OperationNotPermitted", "The instance '%s' may not be terminated. Modify its '%s' instance attribute and try again.", i.ID, attribute)
			}
		}
	}
	out := &ec2.TerminateInstancesOutput{}
	for _, i := range list {
		was := r.instanceState(i)
		if s := r.state(i); s != "terminated" && s != "shutting-down" {
			r.move(i, "shutting-down")
			i.Reason = "Client.UserInitiatedShutdown"
			for _, v := range r.ec2().sortedVolumes(i.ID) {
				if v.Ends {
					delete(r.ec2().Volumes, v.ID)
				} else {
					v.Instance = ""
				}
			}
		}
		out.TerminatingInstances = append(out.TerminatingInstances, types.InstanceStateChange{
			InstanceId: &i.ID, PreviousState: was, CurrentState: r.instanceState(i),
		})
	}
	return out, nil
}

func stopInstances(r *request, in *ec2.StopInstancesInput) (*ec2.StopInstancesOutput, error) {
	list, err := r.several(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		switch s := r.state(i); {
		case i.NoStop:
			return nil, fail("OperationNotPermitted", "The instance '%s' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.", i.ID)
		case s != "running" && s != "stopping" && s != "stopped":
			return nil, fail("IncorrectInstanceState", "This instance '%s' is not in a state from which it can be stopped.", i.ID)
		}
	}
	out := &ec2.StopInstancesOutput{}
	for _, i := range list {
		was := r.instanceState(i)
		if r.state(i) == "running" {
			r.move(i, "stopping")
			i.Reason = "Client.UserInitiatedShutdown"
		}
		out.StoppingInstances = append(out.StoppingInstances, types.InstanceStateChange{
			InstanceId: &i.ID, PreviousState: was, CurrentState: r.instanceState(i),
		})
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
			return nil, fail("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be started.", i.ID)
		}
	}
	out := &ec2.StartInstancesOutput{}
	for _, i := range list {
		was := r.instanceState(i)
		if r.state(i) == "stopped" {
			r.move(i, "pending")
			i.Reason = ""
		}
		out.StartingInstances = append(out.StartingInstances, types.InstanceStateChange{
			InstanceId: &i.ID, PreviousState: was, CurrentState: r.instanceState(i),
		})
	}
	return out, nil
}

// modifyInstanceAttribute changes one attribute; some only while it is stopped.
func modifyInstanceAttribute(r *request, in *ec2.ModifyInstanceAttributeInput) (*ec2.ModifyInstanceAttributeOutput, error) {
	i, err := r.find(aws.ToString(in.InstanceId))
	if err != nil {
		return nil, err
	}
	given := 0
	for _, set := range []bool{
		in.DisableApiTermination != nil, in.DisableApiStop != nil, in.InstanceType != nil, in.UserData != nil,
		in.InstanceInitiatedShutdownBehavior != nil, len(in.Groups) > 0,
	} {
		if set {
			given++
		}
	}
	if given != 1 {
		return nil, fail("InvalidParameterCombination", "Fields for multiple attribute types specified, or none")
	}
	if (in.InstanceType != nil || in.UserData != nil) && r.state(i) != "stopped" {
		return nil, fail("IncorrectInstanceState", "The instance '%s' is not in the 'stopped' state.", i.ID)
	}
	switch {
	case in.DisableApiTermination != nil:
		i.NoTerminate = aws.ToBool(in.DisableApiTermination.Value)
	case in.DisableApiStop != nil:
		i.NoStop = aws.ToBool(in.DisableApiStop.Value)
	case in.InstanceType != nil:
		name := aws.ToString(in.InstanceType.Value)
		if _, ok := findType(name); !ok {
			return nil, fail("InvalidParameterValue", "Invalid value '%s' for InstanceType.", name)
		}
		i.Type = name
	case in.UserData != nil:
		i.UserData = string(in.UserData.Value)
	case in.InstanceInitiatedShutdownBehavior != nil:
		i.ShutdownBehavior = aws.ToString(in.InstanceInitiatedShutdownBehavior.Value)
	default:
		return &ec2.ModifyInstanceAttributeOutput{}, r.join(r.interfaceOf(i), in.Groups)
	}
	return &ec2.ModifyInstanceAttributeOutput{}, nil
}

func modifyInstanceMetadataOptions(r *request, in *ec2.ModifyInstanceMetadataOptionsInput) (*ec2.ModifyInstanceMetadataOptionsOutput, error) {
	i, err := r.find(aws.ToString(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if s := r.state(i); s != "running" && s != "stopped" {
		return nil, fail("IncorrectInstanceState", "The instance '%s' is not in a state from which its metadata options can be changed.", i.ID)
	}
	err = i.Metadata.set(in.HttpTokens, in.HttpPutResponseHopLimit, in.HttpEndpoint, in.InstanceMetadataTags)
	return &ec2.ModifyInstanceMetadataOptionsOutput{InstanceId: &i.ID}, err
}

func (r *request) association(i *instance) *types.IamInstanceProfileAssociation {
	return &types.IamInstanceProfileAssociation{
		AssociationId: aws.String(i.Association), InstanceId: &i.ID,
		State:              types.IamInstanceProfileAssociationStateAssociated,
		IamInstanceProfile: &types.IamInstanceProfile{Arn: aws.String(i.Profile), Id: aws.String(i.ProfileID)},
	}
}

func (r *request) associate(i *instance, spec *types.IamInstanceProfileSpecification) error {
	p, err := r.usableProfile(spec)
	if err != nil {
		return err
	}
	i.Profile, i.ProfileID, i.Association = p.ARN, p.ID, r.id("iip-assoc")
	return nil
}

func associateProfile(r *request, in *ec2.AssociateIamInstanceProfileInput) (*ec2.AssociateIamInstanceProfileOutput, error) {
	i, err := r.find(aws.ToString(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if s := r.state(i); s != "running" && s != "stopped" {
		return nil, fail("IncorrectInstanceState", "The instance %s is not in the 'running' or 'stopped' states.", i.ID)
	}
	if i.Association != "" {
		return nil, fail("IncorrectState", "There is an existing association for instance %s", i.ID)
	}
	if err := r.associate(i, in.IamInstanceProfile); err != nil {
		return nil, err
	}
	return &ec2.AssociateIamInstanceProfileOutput{IamInstanceProfileAssociation: r.association(i)}, nil
}

func (r *request) associated(id *string) (*instance, error) {
	for _, i := range r.ec2().Instances {
		if i.Association != "" && i.Association == aws.ToString(id) && r.state(i) != "terminated" {
			return i, nil
		}
	}
	return nil, fail("InvalidAssociationID.NotFound", "An invalid association-id of '%s' was given", aws.ToString(id))
}

func replaceProfile(r *request, in *ec2.ReplaceIamInstanceProfileAssociationInput) (*ec2.ReplaceIamInstanceProfileAssociationOutput, error) {
	i, err := r.associated(in.AssociationId)
	if err != nil {
		return nil, err
	}
	if err := r.associate(i, in.IamInstanceProfile); err != nil {
		return nil, err
	}
	return &ec2.ReplaceIamInstanceProfileAssociationOutput{IamInstanceProfileAssociation: r.association(i)}, nil
}

func disassociateProfile(r *request, in *ec2.DisassociateIamInstanceProfileInput) (*ec2.DisassociateIamInstanceProfileOutput, error) {
	i, err := r.associated(in.AssociationId)
	if err != nil {
		return nil, err
	}
	out := &ec2.DisassociateIamInstanceProfileOutput{IamInstanceProfileAssociation: r.association(i)}
	i.Profile, i.ProfileID, i.Association = "", "", ""
	return out, nil
}

func describeProfiles(r *request, in *ec2.DescribeIamInstanceProfileAssociationsInput) (*ec2.DescribeIamInstanceProfileAssociationsOutput, error) {
	out := &ec2.DescribeIamInstanceProfileAssociationsOutput{}
	all, _ := chosen(r.ec2().Instances, nil, nil)
	for _, i := range all {
		if i.Association == "" || r.state(i) == "terminated" {
			continue
		}
		if len(in.AssociationIds) > 0 && !slices.Contains(in.AssociationIds, i.Association) {
			continue
		}
		ok, err := matches(in.Filters, nil, func(f string) []string {
			switch f {
			case "instance-id":
				return []string{i.ID}
			case "state":
				return []string{"associated"}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if ok {
			out.IamInstanceProfileAssociations = append(out.IamInstanceProfileAssociations, *r.association(i))
		}
	}
	return out, nil
}
