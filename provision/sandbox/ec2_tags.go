package sandbox

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

func init() {
	on(createTags)
	on(deleteTags)
}

// createTags changes all of the objects, or none.
func createTags(r *request, in *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
	d := r.ec2()
	next := make([]tags, len(in.Resources))
	for i, id := range in.Resources {
		have, err := d.tagged(id)
		if err != nil {
			return nil, err
		}
		if next[i], err = ec2Tags(*have, in.Tags); err != nil {
			return nil, err
		}
	}
	for i, id := range in.Resources {
		have, _ := d.tagged(id)
		*have = next[i]
	}
	return &ec2.CreateTagsOutput{}, nil
}

// deleteTags removes a tag that is given with a value only if it has that value.
func deleteTags(r *request, in *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) {
	d := r.ec2()
	for _, id := range in.Resources {
		if _, err := d.tagged(id); err != nil {
			return nil, err
		}
	}
	for _, id := range in.Resources {
		have, _ := d.tagged(id)
		if len(in.Tags) == 0 {
			*have = tags{}
		}
		for _, t := range in.Tags {
			if k := aws.ToString(t.Key); t.Value == nil || *t.Value == (*have)[k] {
				*have = have.without([]string{k})
			}
		}
	}
	return &ec2.DeleteTagsOutput{}, nil
}
