package permissions

import (
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/spec"
)

func (t *table) arn(service, object string) string { return t.id.ARN(service, t.id.Region, object) }

// agentName is what the agent's role, profile and key pair are called.
func (t *table) agentName() string { return "flowbed-" + t.id.Env + "-agent" }

func (t *table) storage() {
	b, plain := t.env.Bucket, t.defaults().Bucket.Name
	t.former("bucket", b.Name, plain, b.Ownership, t.bucket(plain, t.o.ForceDestroy))
	t.add("bucket", ours(b.Ownership), t.bucket(b.Name, b.ForceDestroy || t.o.ForceDestroy))
	// As a resource of tags the group is named without ":*", otherwise with it.
	// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
	group := t.arn("logs", "log-group:/flowbed/"+t.id.Env)
	logs := func(actions ...string) Need { return on(group, actions...).and(group + ":*") }
	t.add("log group", owned, kind{
		read:   []Need{on("*", "logs:DescribeLogGroups"), logs("logs:ListTagsForResource")},
		build:  []Need{logs("logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:TagResource", "logs:UntagResource")},
		remove: []Need{logs("logs:DeleteLogGroup")},
	})
	token := t.arn("ssm", "parameter/flowbed/"+t.id.Env+"/prefect-api-key")
	t.add("api key parameter", wanted(t.secret()), kind{
		read:   []Need{on(token, "ssm:GetParameter", "ssm:ListTagsForResource")},
		build:  []Need{on(token, "ssm:PutParameter", "ssm:AddTagsToResource", "ssm:RemoveTagsFromResource", "ssm:DeleteParameter")},
		remove: []Need{on(token, "ssm:DeleteParameter")},
	})
}

func (t *table) secret() bool {
	a := t.env.Agent
	return a != nil && a.Prefect != nil && (a.Prefect.APIKey != "" || a.Prefect.AuthString != "")
}

func (t *table) bucket(name string, force bool) kind {
	arn := "arn:" + t.id.Partition + ":s3:::" + name
	k := kind{
		read: []Need{on(arn, "s3:GetBucketTagging", "s3:GetBucketPublicAccessBlock", "s3:GetBucketOwnershipControls",
			"s3:GetEncryptionConfiguration", "s3:GetBucketPolicy", "s3:GetBucketVersioning", "s3:GetLifecycleConfiguration")},
		obstacles: []Need{on(arn, "s3:ListBucketVersions")},
		build: []Need{
			on(arn, "s3:CreateBucket", "s3:PutBucketTagging", "s3:PutBucketPublicAccessBlock", "s3:PutBucketOwnershipControls",
				"s3:PutEncryptionConfiguration", "s3:PutBucketPolicy", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration"),
			on(arn, "s3:TagResource").implied("S3 asks for it where CreateBucket carries tags"),
		},
		remove: []Need{on(arn, "s3:DeleteBucket")},
	}
	if force {
		k.remove = append(k.remove,
			on(arn, "s3:DeleteBucketPolicy", "s3:ListBucketMultipartUploads"),
			on(arn+"/*", "s3:AbortMultipartUpload", "s3:DeleteObject"),
			on(arn+"/*", "s3:DeleteObjectVersion").implied("S3 asks for it where DeleteObjects names versions"))
	}
	return k
}

func (t *table) roles() {
	task, execution, plain := t.env.TaskRole, t.env.ExecutionRole, t.defaults()
	t.former("task role", task.Name, plain.TaskRole.Name, task.Ownership, t.role(plain.TaskRole.Name, nil, false))
	t.former("execution role", execution.Name, plain.ExecutionRole.Name, execution.Ownership, t.role(plain.ExecutionRole.Name, nil, true))
	t.add("task role", ours(task.Ownership), t.role(task.Name, task.Policies, false))
	t.add("execution role", ours(execution.Ownership), t.role(execution.Name,
		[]string{t.awsPolicy("service-role/AmazonECSTaskExecutionRolePolicy")}, execution.Name == spec.AccountExecutionRole))
}

func (t *table) awsPolicy(name string) string {
	return "arn:" + t.id.Partition + ":iam::aws:policy/" + name
}

func (t *table) roleARN(name string) string { return t.id.ARN("iam", "", "role/"+name) }

// role may hang only the given managed policies on the role, but take off any.
func (t *table) role(name string, managed []string, shared bool) kind {
	arn := t.roleARN(name)
	k := kind{
		read:   []Need{on(arn, "iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy")},
		build:  []Need{on(arn, "iam:CreateRole", "iam:TagRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy")},
		remove: []Need{on(arn, "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:DeleteRole", "iam:ListInstanceProfilesForRole")},
	}
	if len(managed) > 0 {
		k.build = append(k.build, on(arn, "iam:AttachRolePolicy").when("ArnEquals", "iam:PolicyARN", managed...))
	}
	if shared {
		k.remove = append(k.remove, on(arn, "iam:UntagRole"))
	} else {
		k.build = append(k.build, on(arn, "iam:UntagRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy"))
	}
	return k
}

func (t *table) cluster() {
	c, plain := t.env.Cluster, t.defaults().Cluster.Name
	t.former("cluster", c.Name, plain, c.Ownership, t.ecsCluster(plain))
	t.add("cluster", ours(c.Ownership), t.ecsCluster(c.Name))
}

func (t *table) ecsCluster(name string) kind {
	arn := t.arn("ecs", "cluster/"+name)
	running := on("*", "ecs:ListTasks", "ecs:ListServices").when("ArnEquals", "ecs:cluster", arn)
	k := kind{
		read:      []Need{on(arn, "ecs:DescribeClusters")},
		obstacles: []Need{running},
		build: []Need{
			running, // to explain what up waits for
			on(arn, "ecs:CreateCluster", "ecs:TagResource", "ecs:PutClusterCapacityProviders", "ecs:UpdateCluster"),
			// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
			on(t.roleARN("aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"), "iam:CreateServiceLinkedRole").
				when("StringEquals", "iam:AWSServiceName", "ecs.amazonaws.com").
				implied("ECS makes its service-linked role with the first cluster of an account"),
		},
		remove: []Need{on(arn, "ecs:DeleteCluster")},
	}
	if t.verb != Up && t.env.TaskRole.Ownership != "external" { // its own tasks, that still run there
		k.obstacles = append(k.obstacles, on("*", "ecs:DescribeTaskDefinition"), // knows no resources
			on(t.arn("ecs", "task/"+name+"/*"), "ecs:DescribeTasks"))
		k.remove = append(k.remove, on(t.arn("ecs", "task/"+name+"/*"), "ecs:StopTask"))
	}
	if name == spec.AccountCluster {
		k.remove = append(k.remove, on(arn, "ecs:UntagResource"))
	} else {
		k.build = append(k.build, on(arn, "ecs:UntagResource"))
	}
	return k
}

// lease is what keeps up and down apart.
func (t *table) lease() {
	if t.verb == Plan {
		return
	}
	arn := t.arn("ssm", "parameter"+lease.Parameter(t.id.Env))
	t.steps = append(t.steps, Step{Name: "lease", Needs: []Need{
		// Up, too, leaves no lease behind where it has built nothing.
		on(arn, "ssm:GetParameterHistory", "ssm:PutParameter", "ssm:DeleteParameter"),
		on(arn, "ssm:AddTagsToResource").implied("Systems Manager asks for it where PutParameter carries tags"),
	}})
}
