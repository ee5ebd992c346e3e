package kms_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

const (
	root = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}`
	logs = `{"Effect":"Allow","Principal":{"Service":"logs.us-east-1.amazonaws.com"},"Action":["kms:Encrypt*","kms:Decrypt*",` +
		`"kms:ReEncrypt*","kms:GenerateDataKey*","kms:Describe*"],"Resource":"*","Condition":{"ArnLike":` +
		`{"kms:EncryptionContext:aws:logs:arn":"arn:aws:logs:us-east-1:123456789012:log-group:/flowbed/*"}}}`
	grant = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:CreateGrant","Resource":"*",` +
		`"Condition":{"Bool":{"kms:GrantIsForAWSResource":true}}}`
	mine = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/sandbox"},"Action":["kms:PutKeyPolicy","kms:DescribeKey"],"Resource":"*"}`
)

func policy(statements ...string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

// account is an account with a key.
type account struct {
	*sandbox.Account
	cfg aws.Config
	api *kms.Client
	key *string // its ARN
}

func newAccount(in kms.CreateKeyInput) account {
	a := account{Account: sandbox.New()}
	a.cfg = a.Config("us-east-1")
	a.api = kms.NewFromConfig(a.cfg)
	a.key = try.Must(a.api.CreateKey(context.Background(), &in)).KeyMetadata.Arn
	return a
}

func TestKeys(t *testing.T) {
	a := newAccount(kms.CreateKeyInput{})
	ctx := t.Context()
	seen := func(want types.KeyState) {
		t.Helper()
		out := try.Must(a.api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: a.key}))
		if have := out.KeyMetadata.KeyState; have != want {
			t.Errorf("have %s, want %s", have, want)
		}
	}
	seen(types.KeyStateEnabled)
	try.Must(a.api.DisableKey(ctx, &kms.DisableKeyInput{KeyId: a.key}))
	seen(types.KeyStateDisabled)
	try.Must(a.api.EnableKey(ctx, &kms.EnableKeyInput{KeyId: a.key}))
	seen(types.KeyStateEnabled)
	try.Must(a.api.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: a.key}))
	seen(types.KeyStatePendingDeletion)
	_, err := a.api.EnableKey(ctx, &kms.EnableKeyInput{KeyId: a.key})
	try.WantCode(t, err, "KMSInvalidStateException")
	try.Must(a.api.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: a.key}))
	seen(types.KeyStateDisabled)
	for _, id := range []string{"arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-00000000ffff", strings.Replace(*a.key, "us-east-1", "eu-west-1", 1)} {
		_, err = a.api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
		try.WantCode(t, err, "NotFoundException")
	}
	if have := a.Inventory(); len(have) > 0 {
		t.Errorf("the inventory has %v, want no key", have)
	}
}

func TestKeyPolicies(t *testing.T) {
	a := newAccount(kms.CreateKeyInput{})
	put := func(text *string, code string) {
		t.Helper()
		_, err := a.api.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: a.key, Policy: text})
		try.WantCode(t, err, code)
	}
	put(aws.String("{"), "MalformedPolicyDocumentException")
	put(policy(logs), "MalformedPolicyDocumentException") // nobody could change it any more
	put(policy(root, `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/none"},"Action":"kms:Decrypt","Resource":"*"}`), "MalformedPolicyDocumentException")
	put(policy(root, `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"kms:Decrypt"}`), "") // without a resource, it has no effect
	put(policy(mine), "")
	out := try.Must(a.api.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: a.key})) // named, so IAM need not allow it
	if *out.KeyMetadata.Arn != *a.key {
		t.Errorf("have %s", *out.KeyMetadata.Arn)
	}
	_, err := a.api.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: a.key}) // the administrator's own policies do not suffice
	try.WantCode(t, err, "AccessDeniedException")
}

// TestServices checks when each service says that it cannot use a key.
func TestServices(t *testing.T) {
	all := policy(root, logs)
	for _, c := range []struct {
		name  string
		spoil func(context.Context, account) // what happens to the key before it is used
		in    kms.CreateKeyInput

		logs, parameter, repository string // codes
		bucket                      string // of an upload
		queue                       string // of a message
		instance                    string // its state
	}{
		{name: "all allowed", in: kms.CreateKeyInput{Policy: all}, instance: "running"},
		{name: "without the services", in: kms.CreateKeyInput{}, logs: "InvalidParameterException", instance: "running"},
		{name: "disabled", in: kms.CreateKeyInput{Policy: all}, spoil: func(ctx context.Context, a account) {
			try.Must(a.api.DisableKey(ctx, &kms.DisableKeyInput{KeyId: a.key}))
		}, logs: "InvalidParameterException", parameter: "InvalidKeyId", repository: "KmsException", bucket: "KMS.DisabledException",
			queue: "KMS.DisabledException", instance: "terminated"},
		{name: "pending deletion", in: kms.CreateKeyInput{Policy: all}, spoil: func(ctx context.Context, a account) {
			try.Must(a.api.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: a.key}))
		}, logs: "InvalidParameterException", parameter: "InvalidKeyId", repository: "KmsException", bucket: "KMS.KMSInvalidStateException",
			queue: "KMS.InvalidStateException", instance: "terminated"},
		{name: "asymmetric", in: kms.CreateKeyInput{Policy: all, KeySpec: types.KeySpecRsa2048}, logs: "InvalidParameterException",
			parameter: "InvalidKeyId", repository: "KmsException", bucket: "KMS.InvalidKeyUsageException", queue: "KMS.InvalidKeyUsageException", instance: "terminated"},
		{name: "not for the account", in: kms.CreateKeyInput{Policy: policy(mine, logs)}, parameter: "AccessDeniedException",
			repository: "AccessDeniedException", bucket: "AccessDenied", queue: "AccessDeniedException", instance: "terminated"},
		{name: "grants alone", in: kms.CreateKeyInput{Policy: policy(mine, grant)}, logs: "InvalidParameterException", parameter: "AccessDeniedException",
			repository: "AccessDeniedException", bucket: "AccessDenied", queue: "AccessDeniedException", instance: "terminated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAccount(c.in)
			if c.spoil != nil {
				c.spoil(t.Context(), a)
			}
			try.WantCode(t, a.logGroup(), c.logs)
			try.WantCode(t, a.parameter(), c.parameter)
			try.WantCode(t, a.repository(), c.repository)
			try.WantCode(t, a.upload(), c.bucket)
			try.WantCode(t, a.message(), c.queue)
			if have := a.launch(); have != c.instance {
				t.Errorf("the instance is %s, want %s", have, c.instance)
			}
		})
	}
}

// errOther means that a log group got a key whose policy is about others.
var errOther = errors.New("a log group that the policy does not name got the key")

func (a account) logGroup() error {
	api, ctx := cloudwatchlogs.NewFromConfig(a.cfg), context.Background()
	_, err := api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/flowbed/dev"), KmsKeyId: a.key})
	if err != nil {
		return err
	}
	_, other := api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("other"), KmsKeyId: a.key})
	if other == nil { // the context of the policy is that of another group
		return errOther
	}
	_, err = api.AssociateKmsKey(ctx, &cloudwatchlogs.AssociateKmsKeyInput{LogGroupName: aws.String("/flowbed/dev"), KmsKeyId: a.key})
	return err
}

func (a account) parameter() error {
	api, ctx, name := ssm.NewFromConfig(a.cfg), context.Background(), aws.String("/flowbed/dev/key")
	_, err := api.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String("x"), Type: ssmtypes.ParameterTypeSecureString, KeyId: a.key})
	if err == nil {
		_, err = api.GetParameter(ctx, &ssm.GetParameterInput{Name: name, WithDecryption: aws.Bool(true)})
	}
	return err
}

func (a account) repository() error {
	_, err := ecr.NewFromConfig(a.cfg).CreateRepository(context.Background(), &ecr.CreateRepositoryInput{
		RepositoryName: aws.String("flows"), EncryptionConfiguration: &ecrtypes.EncryptionConfiguration{EncryptionType: ecrtypes.EncryptionTypeKms, KmsKey: a.key}})
	return err
}

func (a account) upload() error {
	api, ctx, name := s3.NewFromConfig(a.cfg), context.Background(), aws.String("flowbed-dev-0123456789ab")
	try.Must(api.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name}))
	try.Must(api.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: name, ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
		Rules: []s3types.ServerSideEncryptionRule{{BucketKeyEnabled: aws.Bool(true), ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{
			SSEAlgorithm: s3types.ServerSideEncryptionAwsKms, KMSMasterKeyID: a.key}}}}}))
	_, err := api.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: aws.String("flow.py"), Body: strings.NewReader("x")})
	if err == nil {
		_, err = api.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: aws.String("flow.py")})
	}
	return err
}

func (a account) message() error {
	api, ctx := sqs.NewFromConfig(a.cfg), context.Background()
	url := try.Must(api.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("events"), Attributes: map[string]string{"KmsMasterKeyId": *a.key}})).QueueUrl
	_, err := api.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
	if err == nil {
		_, err = api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url})
	}
	return err
}

// launch returns the state of an instance a moment after its launch.
func (a account) launch() string {
	api, ctx := ec2.NewFromConfig(a.cfg), context.Background()
	image := try.Must(ssm.NewFromConfig(a.cfg).GetParameter(ctx, &ssm.GetParameterInput{
		Name: aws.String("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")})).Parameter.Value
	out := try.Must(api.RunInstances(ctx, &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), InstanceType: "t2.micro", ImageId: image,
		BlockDeviceMappings: []ec2types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &ec2types.EbsBlockDevice{Encrypted: aws.Bool(true), KmsKeyId: a.key}}}}))
	list := try.Must(api.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{*out.Instances[0].InstanceId}}))
	return string(list.Reservations[0].Instances[0].State.Name)
}
