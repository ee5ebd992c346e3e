package audit

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Exception is a control that an environment with its defaults does not pass.
type Exception struct {
	IDs     string
	Finding string
	Why     string

	// Closes is what to write into the environment's block so that the finding
	// goes; empty if there is nothing yet.
	Closes string

	// Raised reports whether the finding is there. It is nil for what is not
	// looked at: a setting that flowbed never makes.
	Raised func(*Account) bool
}

// Exceptions are all that are accepted. docs/security.md has the same table.
var Exceptions = []Exception{
	{"EC2.9, CKV_AWS_88", "the agent has a public address",
		"In a public subnet it is the only way out to Prefect, to the package index and to AWS; a NAT gateway would cost more than all the rest. Nothing listens behind it unless the spec has an ssh block.",
		"network { subnets = … } with private subnets",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Instances, func(i Instance) bool { return aws.ToString(i.PublicIpAddress) != "" })
		}},
	{"AWS-0101", "the default VPC is used", "It is there in every account, and a VPC of its own needs a design that is the account's business.",
		"network { vpc = … }",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Groups, func(g ec2types.SecurityGroup) bool { return aws.ToString(g.VpcId) == a.DefaultVPC })
		}},
	{"CKV_AWS_382, AWS-0104", "the groups let everything out", "Flows call whatever they call, and the agent installs packages.", "",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Groups, func(g ec2types.SecurityGroup) bool {
				return slices.ContainsFunc(g.IpPermissionsEgress, func(p ec2types.IpPermission) bool { return slices.Contains(ranges(p), "0.0.0.0/0") })
			})
		}},
	{"CKV_AWS_126", "no detailed monitoring of the instance", "It costs money, and the agent's load is no measure of anything.", "",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Instances, func(i Instance) bool {
				return i.Monitoring == nil || i.Monitoring.State != ec2types.MonitoringStateEnabled
			})
		}},
	{"EC2.7, S3.1", "defaults of the whole account: encryption of all new volumes, public access of all buckets", "They are the account's, and not one environment's to change. What flowbed makes is encrypted and shut by itself.", "", nil},
	{"S3.17, CKV_AWS_145, AWS-0132", "the bucket encrypts with S3's keys, and not with a key of KMS", "A key costs money each month, and flows would need a permission more.", "",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Buckets, func(b Bucket) bool { return b.Encryption != s3types.ServerSideEncryptionAwsKms })
		}},
	{"S3.9, CKV_AWS_18, AWS-0089", "no log of the accesses to the bucket", "It needs a second bucket that grows for ever. CloudTrail's data events do the same for the whole account.", "", nil},
	{"CKV_AWS_144, CKV2_AWS_62", "no copy of the bucket in another region, no notifications", "The bucket holds code and results that flows can make again.", "", nil},
	{"CKV_AWS_338", "logs are kept for less than a year", "30 days suffice to look into a flow that failed; more costs money.",
		"logs { retention_days = 365 }",
		func(a *Account) bool {
			return slices.ContainsFunc(a.LogGroups, func(g logstypes.LogGroup) bool { return aws.ToInt32(g.RetentionInDays) < 365 })
		}},
	{"CKV_AWS_158, AWS-0017", "the log group is encrypted with the service's keys, and not with a key of KMS", "As for the bucket.", "",
		func(a *Account) bool {
			return slices.ContainsFunc(a.LogGroups, func(g logstypes.LogGroup) bool { return aws.ToString(g.KmsKeyId) == "" })
		}},
	{"CKV_AWS_337", "the SecureString is encrypted with the account's key aws/ssm", "As for the bucket. Who may read the parameter is decided by IAM in both cases.", "", nil},
	{"ECS.12, CKV_AWS_65, AWS-0034", "Container Insights is off", "It costs money for each task.",
		"cluster { container_insights = true }",
		func(a *Account) bool {
			return slices.ContainsFunc(a.Clusters, func(c ecstypes.Cluster) bool {
				return !slices.ContainsFunc(c.Settings, func(s ecstypes.ClusterSetting) bool {
					return s.Name == ecstypes.ClusterSettingNameContainerInsights && strings.HasPrefix(aws.ToString(s.Value), "en")
				})
			})
		}},
}
