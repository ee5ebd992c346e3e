package ec2

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, associateProfile, associateAccess)
	core.Register(service, replaceProfile, replaceAccess)
	core.Register(service, disassociateProfile, disassociateAccess)
	core.Register(service, describeProfiles, core.Anything)
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
	i.Profile, i.ProfileID, i.Association = p.ARN, p.ID, r.ID("iip-assoc")
	return nil
}

func associateProfile(r *request, in *ec2.AssociateIamInstanceProfileInput) (*ec2.AssociateIamInstanceProfileOutput, error) {
	i, err := r.find(aws.ToString(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if s := r.state(i); s != "running" && s != "stopped" {
		return nil, core.Fail("IncorrectInstanceState", "The instance %s is not in the 'running' or 'stopped' states.", i.ID)
	}
	if i.Association != "" {
		return nil, core.Fail("IncorrectState", "There is an existing association for instance %s", i.ID)
	}
	if err := r.associate(i, in.IamInstanceProfile); err != nil {
		return nil, err
	}
	return &ec2.AssociateIamInstanceProfileOutput{IamInstanceProfileAssociation: r.association(i)}, nil
}

func (r *request) associated(id *string) (*instance, error) {
	for _, i := range r.db().Instances {
		if i.Association != "" && i.Association == aws.ToString(id) && r.state(i) != "terminated" {
			return i, nil
		}
	}
	return nil, core.Fail("InvalidAssociationID.NotFound", "An invalid association-id of '%s' was given", aws.ToString(id))
}

func replaceProfile(r *request, in *ec2.ReplaceIamInstanceProfileAssociationInput) (*ec2.ReplaceIamInstanceProfileAssociationOutput, error) {
	i, err := r.associated(in.AssociationId)
	if err != nil {
		return nil, err
	}
	if r.state(i) != "running" { // the call's documentation requires this
		return nil, core.Fail("IncorrectState", "The association %s is not the active association", i.Association)
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
	all, _ := chosen(r.db().Instances, nil, nil)
	for _, i := range all {
		if i.Association == "" || r.state(i) == "terminated" || !r.profileShown(i) {
			continue
		}
		if len(in.AssociationIds) > 0 && !slices.Contains(in.AssociationIds, i.Association) {
			continue
		}
		ok, err := matches(in.Filters, nil, map[string][]string{
			"instance-id": {i.ID},
			"state":       {"associated"},
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
