package ecs_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/test/try"
)

// TestTaskStops: a task takes its time to stop, and its network interface to disappear. The
// cluster exists until then, and the security group even longer.
func TestTaskStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient("us-east-1")
		c.StopTime, c.InterfaceTime = 10*time.Minute, 5*time.Minute
		network := ec2.NewFromConfig(c.Config("us-east-1"))
		group := try.Must(network.CreateSecurityGroup(bg, &ec2.CreateSecurityGroupInput{GroupName: aws.String("g"), Description: aws.String("g")})).GroupId
		subnet := try.Must(network.DescribeSubnets(bg, &ec2.DescribeSubnetsInput{})).Subnets[0].SubnetId
		try.Must(0, c.cluster("c", "FARGATE"))
		definition := try.Must(c.ecs.RegisterTaskDefinition(bg, &ecs.RegisterTaskDefinitionInput{
			Family: aws.String("flow"), ContainerDefinitions: []types.ContainerDefinition{{Image: aws.String("python:3.12")}},
		})).TaskDefinition.TaskDefinitionArn
		run := func(group string) (*ecs.RunTaskOutput, error) {
			return c.ecs.RunTask(bg, &ecs.RunTaskInput{Cluster: aws.String("c"), TaskDefinition: definition, NetworkConfiguration: &types.NetworkConfiguration{
				AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{*subnet}, SecurityGroups: []string{group}}}})
		}
		_, err := run("sg-none")
		try.WantCode(t, err, "InvalidParameterException")
		task := try.Must(run(*group)).Tasks[0].TaskArn
		try.Must(c.ecs.DeregisterTaskDefinition(bg, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: definition}))
		if d := try.Must(c.ecs.DescribeTaskDefinition(bg, &ecs.DescribeTaskDefinitionInput{TaskDefinition: definition})); d.TaskDefinition.Status != "INACTIVE" {
			t.Errorf("the definition is %s", d.TaskDefinition.Status)
		}
		try.Must(c.ecs.StopTask(bg, &ecs.StopTaskInput{Cluster: aws.String("c"), Task: task}))
		begun := time.Now()
		for _, at := range []struct {
			after              time.Duration
			status, attachment string
			group, cluster     string // the codes of their deletion
		}{
			{0, "DEACTIVATING", "ATTACHED", "DependencyViolation", "ClusterContainsTasksException"},
			{9 * time.Minute, "STOPPING", "ATTACHED", "DependencyViolation", "ClusterContainsTasksException"},
			{10 * time.Minute, "STOPPED", "DELETED", "DependencyViolation", ""},
			{14 * time.Minute, "", "", "DependencyViolation", ""},
			{15 * time.Minute, "", "", "", ""},
		} {
			time.Sleep(time.Until(begun.Add(at.after)))
			if at.status != "" {
				o := try.Must(c.ecs.DescribeTasks(bg, &ecs.DescribeTasksInput{Cluster: aws.String("c"), Tasks: []string{*task}})).Tasks[0]
				if *o.LastStatus != at.status || *o.DesiredStatus != "STOPPED" || *o.Attachments[0].Status != at.attachment {
					t.Errorf("after %s, the task is %s, its interface %s", at.after, *o.LastStatus, *o.Attachments[0].Status)
				}
			}
			interfaces := try.Must(network.DescribeNetworkInterfaces(bg, &ec2.DescribeNetworkInterfacesInput{
				Filters: []ec2types.Filter{{Name: aws.String("group-id"), Values: []string{*group}}}})).NetworkInterfaces
			if have := len(interfaces); (have == 1) != (at.group != "") {
				t.Errorf("after %s, the group has %d interfaces", at.after, have)
			}
			_, err := network.DeleteSecurityGroup(bg, &ec2.DeleteSecurityGroupInput{GroupId: group})
			try.WantCode(t, err, at.group)
			try.WantCode(t, c.deleteCluster(), at.cluster)
		}
	})
}
