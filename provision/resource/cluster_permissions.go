package resource

import "github.com/flowbed/flowbed/provision/cost"

// Costs implements Kind: AWS bills the tasks in it, and the metrics of Container Insights by their number.
func (Cluster) Costs() []cost.Usage { return nil }

// Permissions are what the calls need. CheckDelete and Explain list tasks and services.
// Task definitions are read only to tell the environment's own tasks from others.
func (c Cluster) Permissions() Permissions {
	listed := on("*", "ecs:ListTasks", "ecs:ListServices").when("ArnEquals", "ecs:cluster", c.arn())
	p := Permissions{
		Read:        []Permission{on(c.arn(), "ecs:DescribeClusters")},
		CheckDelete: []Permission{listed},
		Build: []Permission{
			listed,
			on(c.arn(), "ecs:CreateCluster", "ecs:TagResource", "ecs:PutClusterCapacityProviders", "ecs:UpdateCluster"),
			// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
			on(c.ID.ARN("iam", "", "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"), "iam:CreateServiceLinkedRole").
				when("StringEquals", "iam:AWSServiceName", "ecs.amazonaws.com").
				implied("ECS creates its service-linked role with the first cluster of an account"),
		},
		Delete: []Permission{on(c.arn(), "ecs:DeleteCluster")},
	}
	if c.Tasks != nil {
		tasks := c.ID.ARN("ecs", c.ID.Region, "task/"+c.Name+"/*")
		p.CheckDelete = append(p.CheckDelete, on("*", "ecs:DescribeTaskDefinition"), on(tasks, "ecs:DescribeTasks"))
	}
	if c.Shared {
		p.Delete = append(p.Delete, on(c.arn(), "ecs:TagResource", "ecs:UntagResource")) // the mark of one that leaves, and its claim
	} else {
		p.Build = append(p.Build, on(c.arn(), "ecs:UntagResource"))
	}
	return p
}
