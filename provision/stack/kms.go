package stack

import (
	"maps"
	"slices"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/keypolicy"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/secret"
	"github.com/flowbed/flowbed/provision/spec"
)

// addKMSKey adds the key of the spec, which the plan checks before anything uses it. Down reads
// no key: it must work with one that is gone.
func (s *Stack) addKMSKey() {
	switch arn := s.env.KMSKey; {
	case arn == "":
	case s.o.Destroy:
		s.key = provision.Known(resource.KMSKeyState{ARN: arn})
	default:
		s.key = add(s, "kms key", provision.External, s.KMSKey())
	}
}

// KMSKey is the key of the spec, which must have one.
func (s *Stack) KMSKey() resource.KMSKey {
	return resource.KMSKey{
		API: s.c.KMS, ID: s.id, ARN: s.env.KMSKey, Uses: s.keyUses,
		Cure: "`flowbed policy --for key" + s.o.Flags + "` prints a policy that does",
	}
}

// bucketKey is the ARN of the key that encrypts the bucket; empty if it has none of flowbed's.
func (s *Stack) bucketKey() string {
	if s.env.Bucket.Ownership == "external" {
		return ""
	}
	return s.env.KMSKey
}

// KeyPolicy is a policy for the key of the spec with all that the environment needs. It makes no
// calls.
func KeyPolicy(env *spec.Environment, id resource.Identity) (string, error) {
	s, err := Build(env, id, Clients{}, Options{NoPrefect: true})
	if err != nil {
		return "", err
	}
	return keypolicy.Statements(id.Partition, id.Account, s.keyUses()), nil
}

// keyUses are all ways in which the environment uses the key: first those of services that use
// it by themselves, which only the key's policy can allow.
func (s *Stack) keyUses() []keypolicy.Use {
	group := s.logGroup()
	uses := []keypolicy.Use{{
		For: "the log group " + group, By: keypolicy.Service(s.id.Partition, s.id.Region, "logs"),
		// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
		Actions: []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey"},
		Written: []string{"kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"},
		Context: map[string]string{"kms:EncryptionContext:aws:logs:arn": s.id.ARN("logs", s.id.Region, "log-group:"+group)},
	}}
	if s.hasEvents() {
		uses = append(uses, keypolicy.Use{
			For: "the event queue", By: "events.amazonaws.com",
			// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
			Actions: []string{"kms:GenerateDataKey", "kms:Decrypt"},
		})
	}
	return slices.Concat(uses, s.keyUsesOfRoles(), s.keyUsesOfCaller())
}

func (s *Stack) volumeUse() keypolicy.Use {
	return s.via("ec2", "the volume of the agent", "", map[string]string{"kms:GrantIsForAWSResource": "true"}, resource.VolumeActions()...)
}

// DefaultVolumeKey is the key that encrypts the volume of the agent if the spec names none.
func (s *Stack) DefaultVolumeKey() resource.DefaultVolumeKey {
	if s.env.KMSKey != "" {
		return resource.DefaultVolumeKey{}
	}
	return resource.DefaultVolumeKey{API: s.c.EC2, Key: resource.KMSKey{
		API: s.c.KMS, ID: s.id, Cure: "or name another in kms_key", Uses: func() []keypolicy.Use { return []keypolicy.Use{s.volumeUse()} },
	}}
}

func (s *Stack) hasEvents() bool { return eventsQueue(s.env, s.version) != "" }

// via is a use of the key by a service in the name of a role, or of whoever runs flowbed.
func (s *Stack) via(service, what, role string, context map[string]string, actions ...string) keypolicy.Use {
	c := map[string]string{keypolicy.Via: keypolicy.Service(s.id.Partition, s.id.Region, service)}
	maps.Copy(c, context)
	return keypolicy.Use{For: what, Role: role, Actions: actions, Context: c}
}

func parameterContext(r secret.Ref) map[string]string {
	return map[string]string{"kms:EncryptionContext:PARAMETER_ARN": r.ARN()}
}

func (s *Stack) keyUsesOfRoles() (uses []keypolicy.Use) {
	task, _ := s.task.Expect()
	execution, _ := s.execution.Expect()
	agent, r := s.agentARN(), s.apiSecret()
	if s.env.TaskRole.S3 != "none" && s.bucketKey() != "" {
		uses = append(uses, s.via("s3", "the bucket", task.ARN, nil, "kms:Decrypt", "kms:GenerateDataKey"))
	}
	if r.Ours && slices.ContainsFunc(s.taskSecrets(), func(t secret.Ref) bool { return t.Ours }) {
		uses = append(uses, s.via("ssm", "the API key", execution.ARN, parameterContext(r), "kms:Decrypt"))
	}
	if r.Ours && s.onInstance() && agent != "" {
		uses = append(uses, s.via("ssm", "the API key", agent, parameterContext(r), "kms:Decrypt"))
	}
	if s.hasEvents() && agent != "" {
		uses = append(uses, s.via("sqs", "the event queue", agent, nil, "kms:Decrypt"))
	}
	return uses
}

func (s *Stack) keyUsesOfCaller() (uses []keypolicy.Use) {
	if r := s.apiSecret(); r.Ours {
		uses = append(uses, s.via("ssm", "the API key", "", parameterContext(r), "kms:Encrypt", "kms:Decrypt"))
	}
	if s.onInstance() {
		uses = append(uses, s.volumeUse())
	}
	if s.repositoryName() != "" && s.env.Repository.Ownership != "external" {
		uses = append(uses, s.via("ecr", "the repository", "", nil, "kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant"))
	}
	return uses
}

// agentARN is the ARN of the role of the agent, on an instance or in a service; empty if there
// is none, or if only a reading tells its path.
func (s *Stack) agentARN() string {
	name := s.id.Names().Agent()
	switch {
	case s.env.Agent == nil || s.agentRole().Ownership == "external":
		return ""
	case s.onService() != nil:
		name = s.id.Names().Service()
	}
	return s.id.ARN("iam", "", "role"+s.env.RolePath()+name)
}
