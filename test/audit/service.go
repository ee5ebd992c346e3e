package audit

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Service is an ECS service with the task definition that it runs.
type Service struct {
	ecstypes.Service
	Definition ecstypes.TaskDefinition
}

// services reads the active services of all clusters.
func (a *Account) services(ctx context.Context, cfg aws.Config) error {
	api := ecs.NewFromConfig(cfg)
	for _, c := range a.Clusters {
		list, err := api.ListServices(ctx, &ecs.ListServicesInput{Cluster: c.ClusterArn})
		if err != nil {
			return err
		}
		if len(list.ServiceArns) == 0 {
			continue
		}
		out, err := api.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: c.ClusterArn, Services: list.ServiceArns})
		if err != nil {
			return err
		}
		for _, s := range out.Services {
			d, err := api.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: s.TaskDefinition})
			if err != nil {
				return err
			}
			a.Services = append(a.Services, Service{s, *d.TaskDefinition})
		}
	}
	return nil
}

// onService reports whether the agent runs in a service, and not on an instance. The controls of
// the one prove nothing about the other.
func (a *Account) onService() bool { return len(a.Services) > 0 && len(a.Instances) == 0 }

func services(passes func(*Account, Service) bool) func(*Account) []string {
	return func(a *Account) []string {
		if !a.onService() && len(a.Instances) > 0 {
			return nil
		}
		return each(a.Services, "service", func(s Service) string { return aws.ToString(s.ServiceName) }, func(s Service) bool { return passes(a, s) })
	}
}

// containers checks each container of each service's task definition.
func containers(passes func(*Account, ecstypes.ContainerDefinition) bool) func(*Account) []string {
	return services(func(a *Account, s Service) bool {
		return len(s.Definition.ContainerDefinitions) > 0 && !slices.ContainsFunc(s.Definition.ContainerDefinitions, func(c ecstypes.ContainerDefinition) bool {
			return !passes(a, c)
		})
	})
}

var serviceControls = []Control{
	{"–", "nobody can run commands in the service's tasks (ECS Exec)", "EnableExecuteCommand, and ssmmessages in the task role", services(func(a *Account, s Service) bool {
		return !s.EnableExecuteCommand && !slices.ContainsFunc(a.Roles, func(r Role) bool {
			return strings.HasSuffix(aws.ToString(s.Definition.TaskRoleArn), "/"+r.Name) && r.allows("ssmmessages:")
		})
	})},
	{"CKV_AWS_249", "the workers have a role of their own: not that of ECS, nor that of the flows", "TaskRoleArn and ExecutionRoleArn, and the task role of the flows", services(func(a *Account, s Service) bool {
		task, execution := aws.ToString(s.Definition.TaskRoleArn), aws.ToString(s.Definition.ExecutionRoleArn)
		return task != "" && execution != "" && task != execution && !strings.HasSuffix(task, "-task")
	})},
	{"–", "the workers' role has no managed policy, and may read no parameter", "the policies of the task role", services(func(a *Account, s Service) bool {
		return slices.ContainsFunc(a.Roles, func(r Role) bool {
			return strings.HasSuffix(aws.ToString(s.Definition.TaskRoleArn), "/"+r.Name) && len(r.Managed) == 0 && !r.allows("ssm:") && !r.allows("secretsmanager:")
		})
	})},
	{"ECS.8, AWS-0036", "the task definition contains no secret", "the whole definition: the API key itself, and what looks like a key; the container gets it by reference", services(func(a *Account, s Service) bool {
		text, err := json.Marshal(s.Definition)
		return err == nil && !strings.Contains(string(text), a.Secret) && !keylike.Match(text)
	})},
	{"–", "ECS reads the containers' secrets from this environment's parameters", "ValueFrom", containers(func(a *Account, c ecstypes.ContainerDefinition) bool {
		return len(c.Secrets) > 0 && !slices.ContainsFunc(c.Secrets, func(s ecstypes.Secret) bool {
			return !strings.Contains(aws.ToString(s.ValueFrom), ":"+a.Number+":parameter/flowbed/")
		})
	})},
	{"ECS.9", "the containers write to a log group that expires", "LogConfiguration, and retentionInDays of its group", containers(func(a *Account, c ecstypes.ContainerDefinition) bool {
		l := c.LogConfiguration
		return l != nil && l.LogDriver == ecstypes.LogDriverAwslogs && slices.ContainsFunc(a.LogGroups, func(g logstypes.LogGroup) bool {
			return logGroup(g) == l.Options["awslogs-group"] && aws.ToInt32(g.RetentionInDays) > 0
		})
	})},
	{"ECS.4, CKV_AWS_334", "the containers are not privileged, and add no capabilities", "Privileged and LinuxParameters", containers(func(_ *Account, c ecstypes.ContainerDefinition) bool {
		return !aws.ToBool(c.Privileged) && c.LinuxParameters == nil
	})},
	{"ECS.3, ECS.17, CKV_AWS_335", "the tasks share neither process namespace nor network with a host", "PidMode, IpcMode and NetworkMode", services(func(_ *Account, s Service) bool {
		return s.Definition.PidMode == "" && s.Definition.IpcMode == "" && s.Definition.NetworkMode == ecstypes.NetworkModeAwsvpc
	})},
	{"–", "no port of a container is open", "PortMappings, and inbound rules of the service's groups", services(func(a *Account, s Service) bool {
		return !slices.ContainsFunc(s.Definition.ContainerDefinitions, func(c ecstypes.ContainerDefinition) bool { return len(c.PortMappings) > 0 }) &&
			!slices.ContainsFunc(a.Groups, func(g ec2types.SecurityGroup) bool { return s.in(g) && len(g.IpPermissions) > 0 })
	})},
	{"EC2.2, CIS 5.5, AWS-0173", "the service does not use the VPC's default group", "the groups of the service", services(func(a *Account, s Service) bool {
		groups := s.groups()
		return len(groups) > 0 && !slices.ContainsFunc(groups, func(id string) bool {
			return !slices.ContainsFunc(a.Groups, func(g ec2types.SecurityGroup) bool { return aws.ToString(g.GroupId) == id })
		})
	})},
	{"ECS.10, CKV_AWS_332", "the service runs on Fargate's latest platform version", "PlatformVersion", services(func(_ *Account, s Service) bool {
		v := aws.ToString(s.PlatformVersion)
		return v == "" || v == "LATEST"
	})},
	{"–", "the service's tasks have the environment's tags", "PropagateTags", services(func(_ *Account, s Service) bool { return s.PropagateTags == ecstypes.PropagateTagsService })},
}

// groups returns the ids of the service's security groups.
func (s Service) groups() []string {
	if s.NetworkConfiguration == nil || s.NetworkConfiguration.AwsvpcConfiguration == nil {
		return nil
	}
	return s.NetworkConfiguration.AwsvpcConfiguration.SecurityGroups
}

func (s Service) in(g ec2types.SecurityGroup) bool {
	return slices.Contains(s.groups(), aws.ToString(g.GroupId))
}

// public reports whether the service's tasks get public addresses.
func (s Service) public() bool {
	n := s.NetworkConfiguration
	return n != nil && n.AwsvpcConfiguration != nil && n.AwsvpcConfiguration.AssignPublicIp == ecstypes.AssignPublicIpEnabled
}

// inContainers reports whether a container of a service has something.
func (a *Account) inContainers(has func(ecstypes.ContainerDefinition) bool) bool {
	return slices.ContainsFunc(a.Services, func(s Service) bool { return slices.ContainsFunc(s.Definition.ContainerDefinitions, has) })
}

// allows reports whether an inline policy of the role allows an action of a service.
func (r Role) allows(prefix string) bool {
	for _, p := range r.Inline {
		for _, s := range p.allows() {
			if slices.ContainsFunc(s.Action, func(a string) bool { return a == "*" || strings.HasPrefix(a, prefix) }) {
				return true
			}
		}
	}
	return false
}
