package ec2

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, createTags, createTagsAccess)
	core.Register(service, deleteTags, deleteTagsAccess)
}

// createTags changes all of the objects or none.
func createTags(r *request, in *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
	d := r.db()
	next := make([]core.Tags, len(in.Resources))
	for i, id := range in.Resources {
		have, err := d.tagsOf(id)
		if err != nil {
			return nil, err
		}
		if next[i], err = newTags(*have, in.Tags); err != nil {
			return nil, err
		}
	}
	for i, id := range in.Resources {
		have, _ := d.tagsOf(id)
		*have = next[i]
	}
	return &ec2.CreateTagsOutput{}, nil
}

// deleteTags removes a tag. If the request gives a value, it removes the tag only if
// the value matches.
func deleteTags(r *request, in *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) {
	d := r.db()
	for _, id := range in.Resources {
		if _, err := d.tagsOf(id); err != nil {
			return nil, err
		}
	}
	for _, id := range in.Resources {
		have, _ := d.tagsOf(id)
		if len(in.Tags) == 0 {
			*have = core.Tags{}
		}
		for _, t := range in.Tags {
			if k := aws.ToString(t.Key); t.Value == nil || *t.Value == (*have)[k] {
				*have = have.Without([]string{k})
			}
		}
	}
	return &ec2.DeleteTagsOutput{}, nil
}
