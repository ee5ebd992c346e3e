package audit_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/audit"
)

// TestControls checks that every environment passes every control.
func TestControls(t *testing.T) {
	for _, e := range environments {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, f := range up(t, sandbox.New(), e.text).Faults() {
					t.Error(f)
				}
			})
		})
	}
}

// TestWide checks that the controls find exactly the wide attribute that a config
// file sets.
func TestWide(t *testing.T) {
	for text, want := range map[string]string{
		"task_role { s3 = \"full\" }\n":                                               "s3:*",
		"task_role { ecr = \"full\" }\n":                                              "ecr:*",
		"task_role { policies = [\"arn:aws:iam::aws:policy/AmazonS3FullAccess\"] }\n": "AmazonS3FullAccess",
		"bucket { versioning = false }\n":                                             "the bucket is versioned",
		"bucket { namespace = \"global\" }\n":                                         "no other account can take the bucket's name",
	} {
		synctest.Test(t, func(t *testing.T) {
			faults := up(t, sandbox.New(), text+agent("3.9.1", "")).Faults()
			for _, f := range faults {
				if !strings.Contains(f, want) {
					t.Errorf("%s: %s", text, f)
				}
			}
			if len(faults) == 0 {
				t.Errorf("%s: have no fault, want one", text)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		open := strings.Replace(ssh, "public_key", "cidr = \"0.0.0.0/0\"\nallow_world = true\npublic_key", 1)
		if faults := up(t, sandbox.New(), agent("3.9.1", open)).Faults(); len(faults) != 1 || !strings.Contains(faults[0], "open to the internet") {
			t.Errorf("port 22 open to the internet: have faults %q, want exactly one", faults)
		}
	})
}

// policy violates every control for policies.
const policy = `{"Statement":[{"Sid":"All","Effect":"Allow","Action":"*","Resource":"*"}]}`

func inline(text string) func(*audit.Account) {
	return func(a *audit.Account) {
		p, err := audit.ParsePolicy(text)
		if err != nil {
			panic(err)
		}
		a.Roles[0].Inline = map[string]audit.Policy{"flowbed": p}
	}
}

func trust(text string) func(*audit.Account) { return trustOf("ecsTaskExecutionRole", text) }

func trustOf(role, text string) func(*audit.Account) {
	return func(a *audit.Account) {
		p, err := audit.ParsePolicy(text)
		if err != nil {
			panic(err)
		}
		i := slices.IndexFunc(a.Roles, func(r audit.Role) bool { return r.Name == role })
		a.Roles[i].Trust = p
	}
}

// spoil holds ways to make each control fail. A control that cannot fail proves
// nothing.
var spoil = map[string][]func(*audit.Account){
	"instance metadata requires a token (IMDSv2)": {func(a *audit.Account) {
		a.Instances[0].MetadataOptions.HttpTokens = ec2types.HttpTokensStateOptional
	}},
	"instance metadata is reachable only from the instance itself": {func(a *audit.Account) {
		a.Instances[0].MetadataOptions.HttpPutResponseHopLimit = aws.Int32(2)
	}},
	"the instance has a role and no access keys": {func(a *audit.Account) { a.Instances[0].IamInstanceProfile = nil }},
	"the user data contains no secret": {
		func(a *audit.Account) { a.Instances[0].UserData += a.Secret },
		func(a *audit.Account) { a.Instances[0].UserData += "export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\n" },
		func(a *audit.Account) { a.Instances[0].UserData += "-----BEGIN OPENSSH PRIVATE KEY-----\n" },
	},
	"the instance is managed by Systems Manager": {func(a *audit.Account) {
		for i := range a.Roles {
			a.Roles[i].Managed = nil
		}
	}},
	"volumes are encrypted": {
		func(a *audit.Account) { a.Volumes[0].Encrypted = aws.Bool(false) },
		func(a *audit.Account) { a.Volumes = nil },
	},
	"no port is open to the internet": {
		ingress(ec2types.IpPermission{IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0"), Description: aws.String("x")}}}),
		ingress(ec2types.IpPermission{IpRanges: []ec2types.IpRange{{CidrIp: aws.String("128.0.0.0/1"), Description: aws.String("x")}}}),
		ingress(ec2types.IpPermission{Ipv6Ranges: []ec2types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}}),
	},
	"security groups and their inbound rules have descriptions": {
		ingress(ec2types.IpPermission{IpRanges: []ec2types.IpRange{{CidrIp: aws.String("10.0.0.0/8")}}}),
		func(a *audit.Account) { a.Groups[0].Description = nil },
	},
	"the VPC's default group is not used": {func(a *audit.Account) {
		a.Instances[0].SecurityGroups = append(a.Instances[0].SecurityGroups, ec2types.GroupIdentifier{GroupName: aws.String("default")})
	}},
	"all four public access blocks of the bucket are on": {
		func(a *audit.Account) { a.Buckets[0].Block.BlockPublicAcls = nil },
		func(a *audit.Account) { a.Buckets[0].Block.IgnorePublicAcls = nil },
		func(a *audit.Account) { a.Buckets[0].Block.BlockPublicPolicy = nil },
		func(a *audit.Account) { a.Buckets[0].Block.RestrictPublicBuckets = aws.Bool(false) },
	},
	"the bucket policy allows nobody in": {func(a *audit.Account) {
		a.Buckets[0].Policy.Statement = append(a.Buckets[0].Policy.Statement, audit.Statement{Effect: "Allow", Principal: "*"})
	}},
	"the bucket accepts only TLS":                                {func(a *audit.Account) { a.Buckets[0].Policy.Statement[0].Effect = "Allow" }},
	"the bucket has ACLs disabled":                               {func(a *audit.Account) { a.Buckets[0].Ownership = "ObjectWriter" }},
	"the bucket is encrypted":                                    {func(a *audit.Account) { a.Buckets[0].Encryption = "" }},
	"the bucket is versioned":                                    {func(a *audit.Account) { a.Buckets[0].Versioning = "Suspended" }},
	"the bucket has a lifecycle that aborts unfinished uploads":  {func(a *audit.Account) { a.Buckets[0].Lifecycle = nil }},
	"no other account can take the bucket's name after deletion": {func(a *audit.Account) { a.Buckets[0].Name = "flows" }},
	"logs expire": {func(a *audit.Account) { a.LogGroups[0].RetentionInDays = nil }},
	"the Prefect API key is a SecureString": {
		func(a *audit.Account) {
			for i := range a.Parameters {
				a.Parameters[i].Type = ssmtypes.ParameterTypeString
			}
		},
		func(a *audit.Account) { a.Parameters = nil },
	},
	"queues are encrypted": {func(a *audit.Account) { a.Queues[0].Attributes["SqsManagedSseEnabled"] = "false" }},
	"only one EventBridge rule of this account may send to a queue": {
		queuePolicy(`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}`),
		queuePolicy(`{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`),
		queuePolicy(`{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:*","Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:eu-central-1:123456789012:rule/flowbed-dev-events"}}}]}`),
		queuePolicy(`{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:eu-central-1:210987654321:rule/flowbed-dev-events"}}}]}`),
		queuePolicy(`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:eu-central-1:123456789012:rule/flowbed-dev-events"}}}]}`),
	},
	"no policy allows an action with a wildcard": {
		inline(policy),
		inline(`{"Statement":{"Effect":"Allow","Action":["s3:GetObject","s3:Put*"],"Resource":"arn:aws:s3:::b/*"}}`),
		inline(`{"Statement":[{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}]}`),
	},
	"every action that can be limited to a resource is limited": {
		inline(`{"Statement":[{"Effect":"Allow","Action":["ecs:ListClusters","s3:GetObject"],"Resource":["*"]}]}`),
		inline(`{"Statement":[{"Effect":"Allow","Action":"s3:GetObject","NotResource":"arn:aws:s3:::b/*"}]}`),
	},
	"PassRole names its roles, and passes them only to ECS tasks": {
		inline(`{"Statement":[{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::123456789012:role/a"}]}`),
		inline(`{"Statement":[{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::123456789012:role/*","Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}}]}`),
		inline(`{"Statement":[{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::123456789012:role/a","Condition":{"StringEquals":{"iam:PassedToService":["ecs-tasks.amazonaws.com","ec2.amazonaws.com"]}}}]}`),
	},
	"no role can change roles, policies or users": {
		inline(`{"Statement":[{"Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"arn:aws:iam::123456789012:role/a"}]}`),
	},
	"each role trusts one service and no account": {
		trust(`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}`),
		trust(`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"sts:AssumeRole"}]}`),
		trust(`{"Statement":[{"Effect":"Allow","Principal":{"Service":["ecs-tasks.amazonaws.com","lambda.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`),
	},
	"ECS assumes a task role only for tasks in this account (confused deputy)": {
		trustOf("flowbed-dev-task", `{"Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`),
		trustOf("flowbed-dev-task", `{"Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"210987654321"},"ArnLike":{"aws:SourceArn":"arn:aws:ecs:*:210987654321:*"}}}]}`),
		trust(`{"Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"},"ArnLike":{"aws:SourceArn":"arn:aws:ecs:*:123456789012:*"}}}]}`),
	},
	"the execution role is not the task role": {func(a *audit.Account) {
		a.Roles = slices.DeleteFunc(a.Roles, func(r audit.Role) bool { return r.Name == "flowbed-dev-task" })
	}},
	"the instance cannot read other parameters": {
		func(a *audit.Account) {
			for _, r := range a.Roles {
				for _, p := range r.Inline {
					for i := range p.Statement {
						if len(p.Statement[i].NotResource) > 0 {
							p.Statement[i].NotResource[0] = "arn:aws:ssm:*:123456789012:parameter/*"
						}
					}
				}
			}
		},
		func(a *audit.Account) {
			for i := range a.Roles {
				a.Roles[i].Inline = nil
			}
		},
	},
	"the only managed policies are AWS's for the execution role and for Systems Manager": {func(a *audit.Account) {
		a.Roles[0].Managed = append(a.Roles[0].Managed, "arn:aws:iam::aws:policy/AdministratorAccess")
	}},
}

// spoilService is the same for the controls of a service.
var spoilService = map[string][]func(*audit.Account){
	"nobody can run commands in the service's tasks (ECS Exec)": {
		func(a *audit.Account) { a.Services[0].EnableExecuteCommand = true },
		workerRole(`{"Statement":[{"Effect":"Allow","Action":"ssmmessages:OpenDataChannel","Resource":"*"}]}`),
		func(a *audit.Account) { a.Services = nil; a.Instances = nil },
	},
	"the workers have a role of their own: not that of ECS, nor that of the flows": {
		definition(func(d *ecstypes.TaskDefinition) { d.TaskRoleArn = d.ExecutionRoleArn }),
		definition(func(d *ecstypes.TaskDefinition) {
			d.TaskRoleArn = aws.String("arn:aws:iam::123456789012:role/flowbed-dev-task")
		}),
		definition(func(d *ecstypes.TaskDefinition) { d.TaskRoleArn = nil }),
	},
	"the workers' role has no managed policy, and may read no parameter": {
		workerRole(`{"Statement":[{"Effect":"Allow","Action":"ssm:GetParameter","Resource":"*"}]}`),
		workerRole(`{"Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`),
		func(a *audit.Account) {
			for i := range a.Roles {
				a.Roles[i].Managed = []string{"arn:aws:iam::aws:policy/AdministratorAccess"}
			}
		},
	},
	"the task definition contains no secret": {
		container(func(c *ecstypes.ContainerDefinition) {
			c.Environment = append(c.Environment, ecstypes.KeyValuePair{Name: aws.String("KEY"), Value: aws.String(secret)})
		}),
		container(func(c *ecstypes.ContainerDefinition) { c.Command = append(c.Command, "--key=AKIAIOSFODNN7EXAMPLE") }),
	},
	"ECS reads the containers' secrets from this environment's parameters": {
		container(func(c *ecstypes.ContainerDefinition) { c.Secrets = nil }),
		container(func(c *ecstypes.ContainerDefinition) {
			c.Secrets[0].ValueFrom = aws.String("arn:aws:ssm:eu-central-1:210987654321:parameter/flowbed/dev/prefect-api-key")
		}),
	},
	"the containers write to a log group that expires": {
		container(func(c *ecstypes.ContainerDefinition) { c.LogConfiguration = nil }),
		container(func(c *ecstypes.ContainerDefinition) { c.LogConfiguration.Options["awslogs-group"] = "/other" }),
		func(a *audit.Account) { a.LogGroups[0].RetentionInDays = nil },
	},
	"the containers are not privileged, and add no capabilities": {
		container(func(c *ecstypes.ContainerDefinition) { c.Privileged = aws.Bool(true) }),
		container(func(c *ecstypes.ContainerDefinition) { c.LinuxParameters = &ecstypes.LinuxParameters{} }),
	},
	"the tasks share neither process namespace nor network with a host": {
		definition(func(d *ecstypes.TaskDefinition) { d.PidMode = ecstypes.PidModeHost }),
		definition(func(d *ecstypes.TaskDefinition) { d.IpcMode = ecstypes.IpcModeHost }),
		definition(func(d *ecstypes.TaskDefinition) { d.NetworkMode = ecstypes.NetworkModeHost }),
	},
	"no port of a container is open": {
		container(func(c *ecstypes.ContainerDefinition) {
			c.PortMappings = []ecstypes.PortMapping{{ContainerPort: aws.Int32(8080)}}
		}),
		func(a *audit.Account) {
			for i := range a.Groups {
				a.Groups[i].IpPermissions = []ec2types.IpPermission{{IpRanges: []ec2types.IpRange{{CidrIp: aws.String("10.0.0.0/8")}}}}
			}
		},
	},
	"the service does not use the VPC's default group": {
		func(a *audit.Account) { a.Services[0].NetworkConfiguration.AwsvpcConfiguration.SecurityGroups = nil },
		func(a *audit.Account) {
			a.Services[0].NetworkConfiguration.AwsvpcConfiguration.SecurityGroups = []string{"sg-0123456789abcdef0"}
		},
	},
	"the service runs on Fargate's latest platform version": {func(a *audit.Account) { a.Services[0].PlatformVersion = aws.String("1.3.0") }},
	"the service's tasks have the environment's tags":       {func(a *audit.Account) { a.Services[0].PropagateTags = ecstypes.PropagateTagsNone }},
}

// workerRole gives the workers' role a policy.
func workerRole(text string) func(*audit.Account) {
	return func(a *audit.Account) {
		p, err := audit.ParsePolicy(text)
		if err != nil {
			panic(err)
		}
		i := slices.IndexFunc(a.Roles, func(r audit.Role) bool { return r.Name == "flowbed-dev-worker" })
		a.Roles[i].Inline["more"] = p
	}
}

func definition(change func(*ecstypes.TaskDefinition)) func(*audit.Account) {
	return func(a *audit.Account) { change(&a.Services[0].Definition) }
}

func container(change func(*ecstypes.ContainerDefinition)) func(*audit.Account) {
	return definition(func(d *ecstypes.TaskDefinition) { change(&d.ContainerDefinitions[0]) })
}

func queuePolicy(text string) func(*audit.Account) {
	return func(a *audit.Account) {
		p, err := audit.ParsePolicy(text)
		if err != nil {
			panic(err)
		}
		a.Queues[0].Policy = p
	}
}

func ingress(p ec2types.IpPermission) func(*audit.Account) {
	return func(a *audit.Account) { a.Groups[0].IpPermissions = append(a.Groups[0].IpPermissions, p) }
}

// TestControlsSee checks that each control detects each way to violate it.
func TestControlsSee(t *testing.T) {
	left := maps.Clone(spoil)
	maps.Copy(left, spoilService)
	for _, c := range audit.Controls {
		ways, text := spoil[c.Want], environments[0].text
		if len(spoilService[c.Want]) > 0 {
			ways, text = spoilService[c.Want], environments[1].text
		}
		if len(ways) == 0 {
			t.Errorf("%s: no case in spoil makes this control fail", c.Want)
		}
		delete(left, c.Want)
		for i, f := range ways {
			synctest.Test(t, func(t *testing.T) {
				a := up(t, sandbox.New(), text)
				f(a)
				if len(c.Faults(a)) == 0 {
					t.Errorf("%s: case %d of spoil passes, want a fault", c.Want, i+1)
				}
			})
		}
	}
	for want := range left {
		t.Errorf("spoil names %q, which is not a control", want)
	}
}
