package tagging_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

func filter(key string, values ...string) types.TagFilter {
	return types.TagFilter{Key: &key, Values: values}
}

func TestGetResources(t *testing.T) {
	cfg := sandbox.New().Config("us-east-1")
	logs, api := cloudwatchlogs.NewFromConfig(cfg), resourcegroupstaggingapi.NewFromConfig(cfg)
	for name, tags := range map[string]map[string]string{"/a": {"env": "dev", "team": "x"}, "/b": {"env": "prod"}, "/c": nil} {
		try.Must(logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name, Tags: tags}))
	}
	for name, c := range map[string]struct {
		in         resourcegroupstaggingapi.GetResourcesInput
		want, code string
	}{
		"all with tags":   {resourcegroupstaggingapi.GetResourcesInput{}, "/a /b", ""},
		"one value":       {resourcegroupstaggingapi.GetResourcesInput{TagFilters: []types.TagFilter{filter("env", "dev")}}, "/a", ""},
		"several values":  {resourcegroupstaggingapi.GetResourcesInput{TagFilters: []types.TagFilter{filter("env", "dev", "prod")}}, "/a /b", ""},
		"any value":       {resourcegroupstaggingapi.GetResourcesInput{TagFilters: []types.TagFilter{filter("team")}}, "/a", ""},
		"two filters":     {resourcegroupstaggingapi.GetResourcesInput{TagFilters: []types.TagFilter{filter("env", "prod"), filter("team")}}, "", ""},
		"a service":       {resourcegroupstaggingapi.GetResourcesInput{ResourceTypeFilters: []string{"logs"}}, "/a /b", ""},
		"a type":          {resourcegroupstaggingapi.GetResourcesInput{ResourceTypeFilters: []string{"logs:log-group"}}, "/a /b", ""},
		"another service": {resourcegroupstaggingapi.GetResourcesInput{ResourceTypeFilters: []string{"s3"}}, "", ""},
		"pages":           {resourcegroupstaggingapi.GetResourcesInput{ResourcesPerPage: aws.Int32(1)}, "/a /b", ""},
		"a large page":    {resourcegroupstaggingapi.GetResourcesInput{ResourcesPerPage: aws.Int32(101)}, "", "InvalidParameterException"},
		"no key":          {resourcegroupstaggingapi.GetResourcesInput{TagFilters: []types.TagFilter{{}}}, "", "InvalidParameterException"},
		"no type":         {resourcegroupstaggingapi.GetResourcesInput{ResourceTypeFilters: []string{"Log Group"}}, "", "InvalidParameterException"},
	} {
		t.Run(name, func(t *testing.T) {
			var have []string
			for pages := resourcegroupstaggingapi.NewGetResourcesPaginator(api, &c.in); pages.HasMorePages(); {
				page, err := pages.NextPage(t.Context())
				if err != nil || c.code != "" {
					try.WantCode(t, err, c.code)
					return
				}
				for _, r := range page.ResourceTagMappingList {
					have = append(have, strings.TrimPrefix(*r.ResourceARN, "arn:aws:logs:us-east-1:123456789012:log-group:"))
				}
			}
			if strings.Join(have, " ") != c.want {
				t.Errorf("have %q, want %q", have, c.want)
			}
		})
	}
}

// TestIndexIsLate: the index shows a new group late, and a deleted one for a while.
func TestIndexIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		account.TagLag = time.Minute
		logs, api := cloudwatchlogs.NewFromConfig(account.Config("us-east-1")), resourcegroupstaggingapi.NewFromConfig(account.Config("us-east-1"))
		name := aws.String("/a")
		var have []int
		look := func() {
			have = append(have, len(try.Must(api.GetResources(t.Context(), &resourcegroupstaggingapi.GetResourcesInput{})).ResourceTagMappingList))
			time.Sleep(time.Minute)
		}
		try.Must(logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: name, Tags: map[string]string{"env": "dev"}}))
		look()
		look()
		try.Must(logs.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: name}))
		look()
		look()
		if !slices.Equal(have, []int{0, 1, 1, 0}) {
			t.Errorf("have %v", have)
		}
	})
}
