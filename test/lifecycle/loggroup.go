package lifecycle

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

const logGroupName = "/flowbed/dev"

// LogGroup is the log group of an environment.
var LogGroup = register(Case{
	Name: "log group", Step: "log group",
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "log group", provision.Own, resource.LogGroup{
			API: cloudwatchlogs.NewFromConfig(w.Config), ID: w.ID, Name: logGroupName, Days: 30,
		})
	},
	Fields: []Field{
		{"retention", onLogs(func(ctx context.Context, _ *World, api *cloudwatchlogs.Client) error {
			_, err := api.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{
				LogGroupName: aws.String(logGroupName), RetentionInDays: aws.Int32(1)})
			return err
		})},
		{"retention", onLogs(func(ctx context.Context, _ *World, api *cloudwatchlogs.Client) error {
			_, err := api.DeleteRetentionPolicy(ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: aws.String(logGroupName)})
			return err
		})},
		{"tags", onLogs(func(ctx context.Context, w *World, api *cloudwatchlogs.Client) error {
			_, err := api.UntagResource(ctx, &cloudwatchlogs.UntagResourceInput{
				ResourceArn: aws.String(w.ID.ARN("logs", w.ID.Region, "log-group:"+logGroupName)), TagKeys: []string{"team"}})
			return err
		})},
	},
	// A second group's name starts with our group's name, so a prefix search finds both.
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		api := cloudwatchlogs.NewFromConfig(w.Config)
		for _, name := range []string{logGroupName, logGroupName + "-2"} {
			if _, err := api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name, Tags: tags}); err != nil {
				return err
			}
		}
		return nil
	},
})

func onLogs(f func(context.Context, *World, *cloudwatchlogs.Client) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error { return f(ctx, w, cloudwatchlogs.NewFromConfig(w.Config)) }
}
