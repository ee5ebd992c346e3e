package resource

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision"
)

// GroupReader reads the security groups of an environment. In a refresh of all steps,
// one call reads all of them; otherwise a call reads only one. A nil GroupReader and the
// zero value always read only one.
type GroupReader struct {
	Names []string

	shared provision.Shared[[]ec2types.SecurityGroup]
}

// read returns all groups with a name: each VPC may have one.
func (r *GroupReader) read(ctx context.Context, api *ec2.Client, name string) ([]ec2types.SecurityGroup, error) {
	if r == nil {
		r = &GroupReader{}
	}
	all, err := r.shared.Get(ctx, func(ctx context.Context, forAll bool) (list []ec2types.SecurityGroup, err error) {
		names := []string{name}
		if forAll && slices.Contains(r.Names, name) {
			names = r.Names
		}
		pages := ec2.NewDescribeSecurityGroupsPaginator(api, &ec2.DescribeSecurityGroupsInput{
			Filters: []ec2types.Filter{filter("group-name", names...)},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			list = append(list, page.SecurityGroups...)
		}
		return list, nil
	})
	return slices.DeleteFunc(slices.Clone(all), func(g ec2types.SecurityGroup) bool { return deref(g.GroupName) != name }), err
}

// ParameterReader reads the parameters that an environment needs. In a refresh of all
// steps, one call reads all of them; otherwise a call reads only one. A nil
// ParameterReader and the zero value always read only one.
type ParameterReader struct {
	Names []string // of the parameters whose decrypted values are needed

	shared provision.Shared[[]types.Parameter]
}

// permission is the permission to read a parameter, and for further actions on it.
func (r *ParameterReader) permission(arn, name string, actions ...string) Permission {
	if r.batched(name) {
		actions = append(actions, "ssm:GetParameters")
	}
	return on(arn, append(actions, "ssm:GetParameter")...)
}

func (r *ParameterReader) batched(name string) bool {
	return r != nil && len(r.Names) > 1 && slices.Contains(r.Names, name)
}

// read returns a parameter. If the call for all parameters fails, it reads this one
// alone, so that an error is about this one.
func (r *ParameterReader) read(ctx context.Context, api *ssm.Client, name string, decrypt bool) (types.Parameter, error) {
	if decrypt && r.batched(name) {
		all, err := r.shared.Get(ctx, func(ctx context.Context, forAll bool) ([]types.Parameter, error) {
			if !forAll {
				return nil, nil
			}
			out, err := api.GetParameters(ctx, &ssm.GetParametersInput{Names: r.Names, WithDecryption: new(true)})
			if err != nil {
				return nil, err
			}
			return out.Parameters, nil
		})
		if at := slices.IndexFunc(all, func(p types.Parameter) bool { return deref(p.Name) == name }); err == nil && at >= 0 {
			return all[at], nil
		}
	}
	out, err := api.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: &decrypt})
	if err != nil {
		return types.Parameter{}, err
	}
	if out.Parameter == nil {
		return types.Parameter{}, incomplete("parameter")
	}
	return deref(out.Parameter), nil
}
