package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// Key is the key that the sandbox has. moto does not ask whether a key exists.
const Key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// Keyed is what an environment needs in its block to have everything encrypted with the key.
const Keyed = `kms_key = "` + Key + `"`

var key = provision.Known(resource.KMSKeyState{ARN: Key})

// EncryptedBucket is a flow bucket with a customer's key.
var EncryptedBucket = register(Case{
	Name: "encrypted bucket", Step: "bucket", Spec: Keyed,
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "bucket", provision.Own, resource.Bucket{
			API: s3Client(w), ID: w.ID, Name: *bucketName(w), Regional: true, Versioning: true, Key: key,
		})
	},
	Fields: []Field{
		{"encryption", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: name})
			return err
		})},
		{"encryption", onBucket(func(ctx context.Context, api *s3.Client, name *string) error { // the same key, without a bucket key
			_, err := api.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
				Bucket: name, ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
					Rules: []s3types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{
						SSEAlgorithm: s3types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String(Key)}}}}})
			return err
		})},
		field(Bucket, "policy"),
	},
	Fill: Bucket.Fill, Foreign: Bucket.Foreign,
})

// EncryptedLogGroup is a log group with a customer's key.
var EncryptedLogGroup = register(Case{
	Name: "encrypted log group", Step: "log group", Spec: Keyed,
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "log group", provision.Own, resource.LogGroup{
			API: cloudwatchlogs.NewFromConfig(w.Config), ID: w.ID, Name: logGroupName, Days: 30, Key: key,
		})
	},
	Fields: []Field{
		{"encryption key", onLogs(func(ctx context.Context, _ *World, api *cloudwatchlogs.Client) error {
			_, err := api.DisassociateKmsKey(ctx, &cloudwatchlogs.DisassociateKmsKeyInput{LogGroupName: aws.String(logGroupName)})
			return err
		})},
		field(LogGroup, "retention"),
	},
	Foreign: LogGroup.Foreign,
})

// EncryptedParameter is a secret that a customer's key encrypts.
var EncryptedParameter = register(Case{
	Name: "encrypted parameter", Step: "api key parameter", Spec: Keyed,
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "api key parameter", provision.Own, resource.Parameter{
			API: ssm.NewFromConfig(w.Config), ID: w.ID, Name: parameterName, Value: "pnu_the_key", Key: key,
		})
	},
	Fields: []Field{
		{"encryption key", onSSM(func(ctx context.Context, w *World, api *ssm.Client) error {
			out, err := api.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(parameterName), WithDecryption: aws.Bool(true)})
			if err != nil {
				return err
			}
			_, err = api.PutParameter(ctx, &ssm.PutParameterInput{
				Name: aws.String(parameterName), Value: out.Parameter.Value, Type: ssmtypes.ParameterTypeSecureString, Overwrite: aws.Bool(true)})
			return err
		})},
		{"value", onSSM(func(ctx context.Context, w *World, api *ssm.Client) error { // with the key that encrypts it now
			have, err := api.DescribeParameters(ctx, &ssm.DescribeParametersInput{ParameterFilters: []ssmtypes.ParameterStringFilter{
				{Key: aws.String("Name"), Option: aws.String("Equals"), Values: []string{parameterName}}}})
			if err != nil {
				return err
			}
			if len(have.Parameters) != 1 {
				return fmt.Errorf("there are %d parameters", len(have.Parameters))
			}
			_, err = api.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String(parameterName), Value: aws.String("pnu_a_rotated_key"),
				Type: ssmtypes.ParameterTypeSecureString, KeyId: have.Parameters[0].KeyId, Overwrite: aws.Bool(true)})
			return err
		})},
	},
	Foreign: Parameter.Foreign,
})

// EncryptedQueue is a queue of events with a customer's key.
var EncryptedQueue = register(Case{
	Name: "encrypted queue", Step: "dead-letter queue", Spec: Keyed,
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "dead-letter queue", provision.Own, resource.Queue{
			API: sqs.NewFromConfig(w.Config), ID: w.ID, Name: deadEventsName, Retention: deadEventsKept, Source: w.queueARN(eventsName), Key: key,
		})
	},
	Fields: []Field{
		{"encryption key", setQueue(deadEventsName, sqstypes.QueueAttributeNameKmsMasterKeyId, "alias/aws/sqs")},
		{"encryption key", setQueue(deadEventsName, sqstypes.QueueAttributeNameSqsManagedSseEnabled, "true")},
		field(DeadLetterQueue, "message retention period"),
	},
	Foreign: DeadLetterQueue.Foreign,
})

// EncryptedRepository is a repository whose images a customer's key encrypts. Another encryption
// is another repository.
var EncryptedRepository = register(Case{
	Name: "encrypted repository", Step: "repository", Spec: Keyed,
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "repository", provision.Own, resource.Repository{
			API: ecr.NewFromConfig(w.Config), ID: w.ID, Name: repositoryName, KeepImages: 30, ScanOnPush: true, Key: key,
		})
	},
	Fields: []Field{
		{"encryption", onRepository(func(ctx context.Context, api *ecr.Client, name *string) error {
			arn, err := repositoryARN(ctx, api, name)
			if err != nil {
				return err
			}
			have, err := api.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: arn})
			if err != nil {
				return err
			}
			if _, err := api.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: name}); err != nil {
				return err
			}
			_, err = api.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: name, Tags: have.Tags,
				EncryptionConfiguration: &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeAes256}})
			return err
		})},
		field(Repository, "image tags"),
	},
	Foreign: Repository.Foreign, Fill: Repository.Fill,
})

// EncryptedInstance is the agent's instance with a volume that a customer's key encrypts. Another
// key is another instance.
var EncryptedInstance = register(Case{
	Name: "encrypted instance", Step: "agent instance", Spec: Keyed, Beside: true,
	Add: func(w *World, g *provision.Graph) { addInstance(w, g, key) },
	Fields: []Field{
		{"volume key", onAgent(func(ctx context.Context, _ *World, api *ec2.Client, i ec2types.Instance) error {
			if err := hasVolumeKey(ctx, api, i); err != nil {
				return err
			}
			at := slices.IndexFunc(i.Tags, func(t ec2types.Tag) bool { return *t.Key == resource.KeyLaunch })
			if at < 0 {
				return fmt.Errorf("%s has no tag %s", *i.InstanceId, resource.KeyLaunch)
			}
			other := strings.Replace(*i.Tags[at].Value, "volume-key=1234abcd", "volume-key=4321dcba", 1) // as if launched with it
			_, err := api.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*i.InstanceId}, Tags: []ec2types.Tag{{Key: i.Tags[at].Key, Value: &other}}})
			return err
		})},
		field(Instance, "launch specification"), field(Instance, "instance metadata"),
	},
	Foreign: Instance.Foreign, Others: Instance.Others,
})

// field is how others change a field in another case.
func field(c Case, name string) Field {
	for _, f := range c.Fields {
		if f.Name == name {
			return f
		}
	}
	panic("lifecycle: " + c.Name + " has no field " + name)
}

// hasVolumeKey returns an error unless the key encrypts the instance's volume.
func hasVolumeKey(ctx context.Context, api *ec2.Client, i ec2types.Instance) error {
	out, err := api.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{Filters: by("attachment.instance-id", *i.InstanceId)})
	if err != nil {
		return err
	}
	if len(out.Volumes) != 1 || !*out.Volumes[0].Encrypted || aws.ToString(out.Volumes[0].KmsKeyId) != Key {
		return fmt.Errorf("the volumes of %s are %+v, want one that %s encrypts", *i.InstanceId, out.Volumes, Key)
	}
	return nil
}
