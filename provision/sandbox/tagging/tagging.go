// Package tagging is the sandbox's Resource Groups Tagging API: what has tags, as far as
// flowbed asks for it, which are log groups.
//
// The index is late: it shows a new object, and forgets a deleted one, only after a while.
package tagging

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/logs"
)

var service = core.NewService("resourcegroupstaggingapi", func(r *core.Request) *core.Request { return r }, core.Rules{})

// AWS checks GetResources against no resource.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonresourcegrouptaggingapi.html
func init() { core.Register(service, getResources, core.Anything) }

// The limits of a request.
// https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
const (
	maxPerPage = 100
	maxKeys    = 50
	maxValues  = 20
)

var resourceType = regexp.MustCompile(`^[a-z0-9-]+(:[\w/.-]+)?$`)

func invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func check(in *resourcegroupstaggingapi.GetResourcesInput) error {
	switch n := in.ResourcesPerPage; {
	case n != nil && (*n < 1 || *n > maxPerPage):
		return invalid("ResourcesPerPage must be between 1 and %d", maxPerPage)
	case len(in.ResourceARNList) > 0 || in.TagsPerPage != nil:
		return invalid("The sandbox finds resources only by their types and tags")
	case len(in.TagFilters) > maxKeys:
		return invalid("TagFilters must have at most %d keys", maxKeys)
	}
	for _, f := range in.TagFilters {
		if aws.ToString(f.Key) == "" || len(f.Values) > maxValues {
			return invalid("A tag filter must have a key and at most %d values", maxValues)
		}
	}
	for _, t := range in.ResourceTypeFilters {
		if !resourceType.MatchString(t) {
			return invalid("%s is not a resource type", t)
		}
	}
	return nil
}

// matches reports whether tags satisfy all filters.
func matches(tags core.Tags, filters []types.TagFilter) bool {
	return !slices.ContainsFunc(filters, func(f types.TagFilter) bool {
		value, there := tags[aws.ToString(f.Key)]
		return !there || len(f.Values) > 0 && !slices.Contains(f.Values, value)
	})
}

// wanted reports whether the filters of types let log groups through: the name of a type is the
// one in the ARN.
func wanted(filters []string) bool {
	return len(filters) == 0 || slices.ContainsFunc(filters, func(f string) bool { return f == "logs" || strings.EqualFold(f, "logs:log-group") })
}

func getResources(r *core.Request, in *resourcegroupstaggingapi.GetResourcesInput) (*resourcegroupstaggingapi.GetResourcesOutput, error) {
	if err := check(in); err != nil {
		return nil, err
	}
	var all []types.ResourceTagMapping
	for _, o := range logs.Index(r) {
		if !wanted(in.ResourceTypeFilters) || !matches(o.Tags, in.TagFilters) {
			continue
		}
		m := types.ResourceTagMapping{ResourceARN: &o.ARN}
		for _, k := range o.Tags.Keys() {
			m.Tags = append(m.Tags, types.Tag{Key: &k, Value: aws.String(o.Tags[k])})
		}
		all = append(all, m)
	}
	token := in.PaginationToken
	if aws.ToString(token) == "" { // which AWS sends on the last page
		token = nil
	}
	list, next, err := core.Page(all, token, in.ResourcesPerPage, maxPerPage)
	if err != nil {
		return nil, &types.PaginationTokenExpiredException{Message: aws.String(err.Error())}
	}
	return &resourcegroupstaggingapi.GetResourcesOutput{ResourceTagMappingList: list, PaginationToken: aws.String(aws.ToString(next))}, nil
}
