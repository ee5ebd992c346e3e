package lifecycle

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// LogsName is the bucket for the access logs of the flow bucket.
const LogsName = "company-logs"

// afterBucket is a target of access logs that another step makes.
type afterBucket struct {
	Bucket provision.Ref[resource.BucketState]
}

// Read implements provision.DataSource.
func (a afterBucket) Read(ctx context.Context) (s resource.LogBucketState, err error) {
	if _, err = a.Bucket.Await(ctx); errors.Is(err, provision.ErrAbsent) {
		err = nil
	}
	return s, err
}

// AccessLogs is the flow bucket with access logs.
var AccessLogs = register(Case{
	Name: "access logs", Step: "bucket",
	Edits: []string{`( +)expire_days( +)= 0`, `${1}access_logs { bucket = "` + LogsName + `" }` + "\n" + `${1}noncurrent_expire_days = 7` + "\n" + `${1}expire_days${2}= 0`},
	Before: func(ctx context.Context, w *World) error {
		_, err := s3Client(w).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(LogsName)}) // in us-east-1
		return err
	},
	Add: func(w *World, g *provision.Graph) {
		bucket := resource.Bucket{API: s3Client(w), ID: w.ID, Name: LogsName, Versioning: true, ForceDestroy: true} // it fills up
		to := provision.Add(g, "log bucket", provision.Own, bucket)
		bucket.ForceDestroy = false
		bucket.Name, bucket.Regional, bucket.OldDays = *bucketName(w), true, 7
		bucket.Logs, bucket.LogTarget = resource.AccessLogs{Bucket: LogsName, Prefix: "flows/"}, provision.Data(g, "access log bucket", afterBucket{to})
		provision.Add(g, "bucket", provision.Own, bucket)
	},
	Fields: []Field{
		{"access logs", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.PutBucketLogging(ctx, &s3.PutBucketLoggingInput{Bucket: name, BucketLoggingStatus: &types.BucketLoggingStatus{}})
			return err
		})},
		{"access logs", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.PutBucketLogging(ctx, &s3.PutBucketLoggingInput{Bucket: name, BucketLoggingStatus: &types.BucketLoggingStatus{
				LoggingEnabled: &types.LoggingEnabled{TargetBucket: aws.String(LogsName), TargetPrefix: aws.String("elsewhere/")}}})
			return err
		})},
		{"lifecycle", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
				Bucket: name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
					ID: aws.String("old"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
					NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(1)}}}}})
			return err
		})},
	},
	Foreign: Bucket.Foreign,
})
