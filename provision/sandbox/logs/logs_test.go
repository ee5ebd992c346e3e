package logs_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

func TestLogRules(t *testing.T) {
	ctx, group := context.Background(), aws.String("/flowbed/dev")
	arn := "arn:aws:logs:us-east-1:123456789012:log-group:/flowbed/dev"
	for _, c := range []struct {
		name string
		do   func(*cloudwatchlogs.Client) error
		want string
	}{
		{"twice", func(api *cloudwatchlogs.Client) error {
			_, err := api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
			return err
		}, "ResourceAlreadyExistsException"},
		{"character", func(api *cloudwatchlogs.Client) error {
			_, err := api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("a:b")})
			return err
		}, "InvalidParameterException"},
		{"reserved name", func(api *cloudwatchlogs.Client) error {
			_, err := api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("aws/x")})
			return err
		}, "InvalidParameterException"},
		{"/aws is allowed", func(api *cloudwatchlogs.Client) error {
			_, err := api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/aws/x")})
			return err
		}, ""},
		{"retention of 13 days", func(api *cloudwatchlogs.Client) error {
			_, err := api.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(13)})
			return err
		}, "InvalidParameterException"},
		{"retention of 14 days", func(api *cloudwatchlogs.Client) error {
			_, err := api.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(14)})
			return err
		}, ""},
		{"retention of an unknown group", func(api *cloudwatchlogs.Client) error {
			_, err := api.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: aws.String("x"), RetentionInDays: aws.Int32(14)})
			return err
		}, "ResourceNotFoundException"},
		{"tags by ARN", func(api *cloudwatchlogs.Client) error {
			_, err := api.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{"k": "v"}})
			return err
		}, ""},
		{"tags by the ARN for policies", func(api *cloudwatchlogs.Client) error {
			_, err := api.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: aws.String(arn + ":*"), Tags: map[string]string{"k": "v"}})
			return err
		}, "InvalidParameterException"},
		{"deleted twice", func(api *cloudwatchlogs.Client) error {
			try.Must(api.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group}))
			_, err := api.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group})
			return err
		}, "ResourceNotFoundException"},
		{"deleted while protected", func(api *cloudwatchlogs.Client) error {
			try.Must(api.PutLogGroupDeletionProtection(ctx, &cloudwatchlogs.PutLogGroupDeletionProtectionInput{
				LogGroupIdentifier: group, DeletionProtectionEnabled: aws.Bool(true)}))
			_, err := api.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group})
			return err
		}, "ValidationException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			api := cloudwatchlogs.NewFromConfig(sandbox.New().Config("us-east-1"))
			try.Must(api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}))
			try.WantCode(t, c.do(api), c.want)
		})
	}
}

func TestLogGroupsAreFoundByPrefix(t *testing.T) {
	api, ctx := cloudwatchlogs.NewFromConfig(sandbox.New().Config("us-east-1")), t.Context()
	for _, n := range []string{"/flowbed/dev", "/flowbed/dev2", "/other"} {
		try.Must(api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &n}))
	}
	list := try.Must(api.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/flowbed/dev")})).LogGroups
	if len(list) != 2 {
		t.Fatalf("have %d groups, want 2", len(list))
	}
	if *list[0].Arn != *list[0].LogGroupArn+":*" || strings.HasSuffix(*list[0].LogGroupArn, "*") {
		t.Errorf("have the ARNs %s and %s", *list[0].Arn, *list[0].LogGroupArn)
	}
}
