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

// start starts a stopped instance, or waits for one that is not running yet.
func (i Instance) start(m EC2Instance) []provision.Change {
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

// drift lists the differences that can be repaired in place.
func (i Instance) drift(m EC2Instance) []provision.Change {
	c := tagChange(m.Tags, i.ID.Tags(i.Name), false, i.tagger(m))
	if want, known := i.groups(); len(i.Groups) > 0 && (!known || !slices.Equal(m.Groups, want)) {
		change := provision.Change{Field: "security groups", From: provision.Text(setText(m.Groups)), To: textOr(known, setText(want))}
		if m.Interface != "" { // otherwise up waits until EC2 shows it
			change.Do = i.setGroups(m, want)
		}
		c = append(c, change)
	}
	c = append(c, diffText("instance metadata", m.Metadata, wantMetadata, i.setMetadata(m))...)
	if p, ok := i.profile().Expect(); ok {
		c = append(c, i.profileDrift(m, p)...)
	}
	return c
}

// profileDrift also detects a profile that was deleted and created again: it has the same
// name, but the instance still refers to the old one and gets no credentials.
func (i Instance) profileDrift(m EC2Instance, want ProfileState) []provision.Change {
	have, to := m.Profile, want.ARN
	if have == to && m.ProfileID != "" && want.ID != "" && m.ProfileID != want.ID {
		have, to = have+" ("+m.ProfileID+")", to+" ("+want.ID+")"
	}
	c := diffText("instance profile", have, to, i.associate(m))
	if (m.Profile != "" && m.State != "running" || m.State == "pending") && len(c) > 0 {
		c[0].Do = nil // EC2 replaces the profile only of a running instance, and may show that of a new one late
	}
	return c
}

func (i Instance) tagger(m EC2Instance) tagger {
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

func (i Instance) setGroups(m EC2Instance, groups []string) doFunc {
	return func(ctx context.Context) error {
		_, err := i.API.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: &m.Interface, Groups: groups,
		})
		return err
	}
}

func (i Instance) setMetadata(m EC2Instance) doFunc {
	return func(ctx context.Context) error {
		_, err := i.API.ModifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{
			InstanceId: &m.ID, HttpEndpoint: types.InstanceMetadataEndpointStateEnabled,
			HttpTokens: types.HttpTokensStateRequired, HttpPutResponseHopLimit: new(int32(1)),
		})
		return err
	}
}

// associate gives the instance its profile, and replaces another one if it has one.
func (i Instance) associate(m EC2Instance) doFunc {
	return func(ctx context.Context) error {
		p, ok := i.profile().Get()
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
		if len(out.IamInstanceProfileAssociations) == 0 { // it is changing just now: read again
			return fmt.Errorf("associate instance profile: %w", &smithy.GenericAPIError{
				Code: "IncorrectState", Message: m.ID + " has no active association",
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
