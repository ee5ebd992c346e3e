package audit

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Exception is a control that an environment with default settings violates.
type Exception struct {
	IDs     string
	Finding string
	Why     string

	// Closes is what to write into the environment block to close the finding;
	// empty if nothing does yet.
	Closes string

	// Raised reports whether an account has the finding. It is nil for settings
	// that flowbed never makes.
	Raised func(*Account) bool
}

// Exceptions lists all accepted exceptions. docs/security.md has the same table.
var Exceptions = []Exception{
	{"EC2.9, CKV_AWS_88", "the agent has a public IP address",
		"In a public subnet it is the only way out to Prefect, the package index and AWS. A NAT gateway would cost more than everything else. No port is open unless the config file has an ssh block.",
		"network { subnets = … } with private subnets",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Instances, func(i Instance) bool { return aws.ToString(i.PublicIpAddress) != "" })
		}},
	{"ECS.2, CKV_AWS_333", "the tasks of the agent's service have public IP addresses", "Same as for the agent.",
		"network { subnets = … } with private subnets",
		func(a *Account) bool { return slices.ContainsFunc(a.Services, Service.public) }},
	{"ECS.5, CKV_AWS_336", "the root file system of the agent's container can be written", "Prefect writes to its home directory. Fargate deletes the file system with the task.", "",
		func(a *Account) bool {
			return a.inContainers(func(c ecstypes.ContainerDefinition) bool { return !aws.ToBool(c.ReadonlyRootFilesystem) })
		}},
	{"ECS.20", "the agent's container runs as root", "Prefect's images do. On Fargate, a task has a virtual machine of its own.", "",
		func(a *Account) bool {
			return a.inContainers(func(c ecstypes.ContainerDefinition) bool { return aws.ToString(c.User) == "" })
		}},
	{"AWS-0101", "the default VPC is used", "Every account has one, and it has no limit: an account may have five VPCs in a region.",
		`network { vpc = "new" }`,
		func(a *Account) bool {
			return slices.ContainsFunc(a.Groups, func(g ec2types.SecurityGroup) bool { return aws.ToString(g.VpcId) == a.DefaultVPC })
		}},
	{"CKV_AWS_382, AWS-0104", "the security groups allow all outbound traffic", "Flows may call any address, and the agent installs packages.",
		"network { egress { cidrs = … } }",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Groups, func(g ec2types.SecurityGroup) bool {
				return slices.ContainsFunc(g.IpPermissionsEgress, func(p ec2types.IpPermission) bool { return slices.Contains(ranges(p), "0.0.0.0/0") })
			})
		}},
	{"EC2.2, EC2.6, EC2.21, CKV2_AWS_11, CKV2_AWS_12, AWS-0178", "a new VPC has no flow logs, and keeps AWS's rules in its default group and its network ACL", "Flow logs cost money, and a company collects them in a place of its own. Nothing is in the default group, and the security groups of the environment close what the ACL leaves open.", "", nil},
	{"CKV_AWS_126", "no detailed monitoring of the instance", "It costs money, and the agent's load says little.", "",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Instances, func(i Instance) bool {
				return i.Monitoring == nil || i.Monitoring.State != ec2types.MonitoringStateEnabled
			})
		}},
	{"EC2.7, S3.1", "account-wide defaults: encryption of all new volumes, public access of all buckets", "They belong to the account, so one environment must not change them. What flowbed creates is encrypted and private by itself.", "", nil},
	{"S3.17, CKV_AWS_145, AWS-0132", "the bucket is encrypted with S3's keys, not with a KMS key", "A KMS key costs money each month, and flows need one more permission.", "kms_key = …",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Buckets, func(b Bucket) bool { // S3 writes access logs only where its own keys encrypt
				return b.Encryption != s3types.ServerSideEncryptionAwsKms && !a.logsTo(b.Name)
			})
		}},
	{"S3.9, CKV_AWS_18, AWS-0089", "the bucket has no access log", "A log needs a second bucket that grows forever. CloudTrail data events do the same for the whole account.",
		"bucket { access_logs { bucket = … } }", func(a *Account) bool {
			return slices.ContainsFunc(a.Buckets, func(b Bucket) bool { return b.Logs == "" && !a.logsTo(b.Name) })
		}},
	{"CKV_AWS_144, CKV2_AWS_62", "the bucket has no replica in another region and no notifications", "The bucket holds code and results that flows can create again.", "", nil},
	{"CKV_AWS_338", "logs are kept for less than a year", "30 days are enough to investigate a failed flow; more costs money.",
		"logs { retention_days = 365 }",
		func(a *Account) bool {
			return slices.ContainsFunc(a.LogGroups, func(g logstypes.LogGroup) bool { return aws.ToInt32(g.RetentionInDays) < 365 })
		}},
	{"CKV_AWS_158, AWS-0017", "the log group is encrypted with the service's keys, not with a KMS key", "Same as for the bucket.", "kms_key = …",
		func(a *Account) bool {
			return slices.ContainsFunc(a.LogGroups, func(g logstypes.LogGroup) bool { return aws.ToString(g.KmsKeyId) == "" })
		}},
	{"CKV_AWS_337", "the SecureString is encrypted with the account's key aws/ssm", "Same as for the bucket. Either way, IAM decides who may read the parameter.", "kms_key = …",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Parameters, func(p ssmtypes.ParameterMetadata) bool {
				return p.Type == ssmtypes.ParameterTypeSecureString && aws.ToString(p.KeyId) == "alias/aws/ssm"
			})
		}},
	{"CKV_AWS_189", "the volume of the agent is encrypted with the account's default key", "Same as for the bucket.", "kms_key = …",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Volumes, func(v ec2types.Volume) bool { return aws.ToString(v.KmsKeyId) == "" })
		}},
	{"ECS.12, CKV_AWS_65, AWS-0034", "Container Insights is off", "It costs money per task.",
		"cluster { container_insights = true }",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Clusters, func(c ecstypes.Cluster) bool {
				return !slices.ContainsFunc(c.Settings, func(s ecstypes.ClusterSetting) bool {
					return s.Name == ecstypes.ClusterSettingNameContainerInsights && strings.HasPrefix(aws.ToString(s.Value), "en")
				})
			})
		}},
}

// logsTo reports whether a bucket has the access logs of another.
func (a *Account) logsTo(name string) bool {
	return slices.ContainsFunc(a.Buckets, func(b Bucket) bool { return b.Logs == name })
}
