package ssm

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// describeParameters supports only filters by name.
func describeParameters(r *request, in *ssm.DescribeParametersInput) (*ssm.DescribeParametersOutput, error) {
	matches := func(name string) bool { return true }
	for _, f := range in.ParameterFilters {
		if aws.ToString(f.Key) != "Name" {
			return nil, core.Fail("NotImplemented", "the sandbox filters parameters by Name only, not by %s", aws.ToString(f.Key))
		}
		more := matches
		switch option := aws.ToString(f.Option); option {
		case "", "Equals":
			matches = func(name string) bool { return more(name) && slices.Contains(f.Values, name) }
		case "BeginsWith":
			matches = func(name string) bool {
				return more(name) && slices.ContainsFunc(f.Values, func(v string) bool { return strings.HasPrefix(name, v) })
			}
		default:
			return nil, core.Fail("InvalidFilterOption", "The option %s is not valid for the filter Name", option)
		}
	}
	var all []types.ParameterMetadata
	for _, p := range core.Sorted(r.db().Parameters) {
		if matches(p.Name) {
			all = append(all, types.ParameterMetadata{
				Name: aws.String(p.Name), Type: types.ParameterType(p.Type), Version: p.Version, KeyId: aws.String(p.Key),
				LastModifiedDate: aws.Time(p.Modified), Description: aws.String(p.Description), Tier: types.ParameterTierStandard,
				ARN: aws.String(r.ARN("ssm", r.Region, "parameter/"+strings.TrimPrefix(p.Name, "/"))),
			})
		}
	}
	list, next, err := core.Page(all, in.NextToken, in.MaxResults, 50)
	if err != nil {
		return nil, err
	}
	return &ssm.DescribeParametersOutput{Parameters: list, NextToken: next}, nil
}

func deleteParameter(r *request, in *ssm.DeleteParameterInput) (*ssm.DeleteParameterOutput, error) {
	d, name := r.db(), aws.ToString(in.Name)
	p := d.Parameters[name]
	if p == nil {
		return nil, &types.ParameterNotFound{Message: aws.String("Parameter " + name + " not found.")}
	}
	delete(d.Parameters, name)
	r.free(name)
	return &ssm.DeleteParameterOutput{}, nil
}

func newTags(have core.Tags, list []types.Tag) (core.Tags, error) {
	add := make([]core.Tag, 0, len(list))
	for _, t := range list {
		add = append(add, core.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)})
	}
	return have.With(add, core.TagRules{Code: "ValidationException", TooMany: "TooManyTagsError"})
}

// taggedParameter finds the parameter of a tagging call.
func (r *request) taggedParameter(kind types.ResourceTypeForTagging, id *string) (*parameter, error) {
	if kind != types.ResourceTypeForTaggingParameter {
		return nil, core.Fail("NotImplemented", "the sandbox tags parameters only, not %s", kind)
	}
	p := r.db().Parameters[aws.ToString(id)]
	if p == nil {
		return nil, &types.InvalidResourceId{Message: aws.String("The resource ID is not valid. Verify that you entered the correct ID and try again.")}
	}
	return p, nil
}

func listParameterTags(r *request, in *ssm.ListTagsForResourceInput) (*ssm.ListTagsForResourceOutput, error) {
	p, err := r.taggedParameter(in.ResourceType, in.ResourceId)
	if err != nil {
		return nil, err
	}
	out := &ssm.ListTagsForResourceOutput{}
	for _, k := range p.Tags.Keys() {
		out.TagList = append(out.TagList, types.Tag{Key: aws.String(k), Value: aws.String(p.Tags[k])})
	}
	return out, nil
}

func addParameterTags(r *request, in *ssm.AddTagsToResourceInput) (*ssm.AddTagsToResourceOutput, error) {
	p, err := r.taggedParameter(in.ResourceType, in.ResourceId)
	if err != nil {
		return nil, err
	}
	t, err := newTags(p.Tags, in.Tags)
	if err != nil {
		return nil, err
	}
	p.Tags = t
	return &ssm.AddTagsToResourceOutput{}, nil
}

func removeParameterTags(r *request, in *ssm.RemoveTagsFromResourceInput) (*ssm.RemoveTagsFromResourceOutput, error) {
	p, err := r.taggedParameter(in.ResourceType, in.ResourceId)
	if err != nil {
		return nil, err
	}
	p.Tags = p.Tags.Without(in.TagKeys)
	return &ssm.RemoveTagsFromResourceOutput{}, nil
}
