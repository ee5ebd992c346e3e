package resource

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision"
)

// awaken is how the machine comes to run.
func (i Instance) awaken(m Machine) []provision.Change {
	c := provision.Change{Field: "state", From: provision.Text(m.State), To: provision.Text("running")}
	switch m.State {
	case "running":
		return nil
	case "stopped":
		c.Do = func(ctx context.Context) error {
			_, err := i.API.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: []string{m.ID}})
			return err
		}
	}
	return []provision.Change{c}
}

// drift is what differs and can be repaired in place.
func (i Instance) drift(m Machine) []provision.Change {
	c := tagChange(m.Tags, i.ID.Tags(i.Name), false, i.tagger(m))
	if want, known := i.groups(); len(i.Groups) > 0 && (!known || !slices.Equal(m.Groups, want)) {
		c = append(c, provision.Change{
			Field: "security groups", From: provision.Text(setText(m.Groups)), To: textOr(known, setText(want)), Do: i.join(m, want),
		})
	}
	c = append(c, differs("instance metadata", m.Metadata, wantMetadata, i.setMetadata(m))...)
	if p, ok := i.Profile.Expect(); ok {
		c = append(c, i.profileDrift(m, p)...)
	}
	return c
}

// profileDrift also sees a profile that was deleted and made again: it has the
// same name, but the instance still refers to the old one, and gets nothing.
func (i Instance) profileDrift(m Machine, want ProfileState) []provision.Change {
	have, to := m.Profile, want.ARN
	if have == to && m.ProfileID != "" && want.ID != "" && m.ProfileID != want.ID {
		have, to = have+" ("+m.ProfileID+")", to+" ("+want.ID+")"
	}
	c := differs("instance profile", have, to, i.associate(m))
	if m.Profile != "" && m.State != "running" && len(c) > 0 {
		c[0].Do = nil // EC2 replaces the profile of a running instance only
	}
	return c
}

func (i Instance) tagger(m Machine) tagger {
	ids := append([]string{m.ID}, m.Volumes...)
	if m.Interface != "" {
		ids = append(ids, m.Interface)
	}
	return tagger{
		set: func(ctx context.Context, t Tags) error {
			_, err := i.API.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: tagList(t, ec2Tag)})
			return err
		},
		drop: func(ctx context.Context, keys []string) error { return dropEC2Tags(ctx, i.API, ids, keys) },
	}
}

func (i Instance) join(m Machine, groups []string) do {
	return func(ctx context.Context) error {
		_, err := i.API.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: &m.Interface, Groups: groups,
		})
		return err
	}
}

func (i Instance) setMetadata(m Machine) do {
	return func(ctx context.Context) error {
		_, err := i.API.ModifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{
			InstanceId: &m.ID, HttpEndpoint: types.InstanceMetadataEndpointStateEnabled,
			HttpTokens: types.HttpTokensStateRequired, HttpPutResponseHopLimit: new(int32(1)),
		})
		return err
	}
}

// associate gives the machine its profile, in place of another if it has one.
func (i Instance) associate(m Machine) do {
	return func(ctx context.Context) error {
		p, ok := i.Profile.Get()
		if !ok {
			return fmt.Errorf("associate instance profile: it does not exist")
		}
		spec := &types.IamInstanceProfileSpecification{Name: &p.Name}
		if m.Profile == "" {
			_, err := i.API.AssociateIamInstanceProfile(ctx, &ec2.AssociateIamInstanceProfileInput{InstanceId: &m.ID, IamInstanceProfile: spec})
			return err
		}
		out, err := i.API.DescribeIamInstanceProfileAssociations(ctx, &ec2.DescribeIamInstanceProfileAssociationsInput{
			Filters: []types.Filter{filter("instance-id", m.ID), filter("state", "associated")},
		})
		if err != nil {
			return err
		}
		if len(out.IamInstanceProfileAssociations) == 0 { // it comes or goes just now: look again
			return fmt.Errorf("associate instance profile: %w", &smithy.GenericAPIError{
				Code: "IncorrectState", Message: "no association of " + m.ID + " is active",
			})
		}
		for _, a := range out.IamInstanceProfileAssociations {
			_, err = i.API.ReplaceIamInstanceProfileAssociation(ctx, &ec2.ReplaceIamInstanceProfileAssociationInput{
				AssociationId: a.AssociationId, IamInstanceProfile: spec,
			})
		}
		return err
	}
}
