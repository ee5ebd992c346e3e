package hello

import (
	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/resource"
)

// Permissions are what a run needs.
func (h *Hello) Permissions() resource.Permissions {
	bucket := "arn:" + h.ID.Partition + ":s3:::" + h.Bucket
	objects := bucket + "/" + names.HelloPrefix + "*"
	tasks := h.ID.ARN("ecs", h.ID.Region, "task/"+h.Cluster+"/*")
	all := []resource.Permission{
		{Actions: []string{"s3:ListBucket", "s3:ListBucketVersions"}, Resources: []string{bucket}},
		{Actions: []string{"s3:PutObject", "s3:GetObject", "s3:DeleteObject"}, Resources: []string{objects}},
		{Actions: []string{"s3:DeleteObjectVersion"}, Resources: []string{objects}, Implied: "S3 checks it if DeleteObjects names versions"},
		{Actions: []string{"ecs:DescribeTasks", "ecs:StopTask"}, Resources: []string{tasks}},
		// ECS offers no narrower scope for these:
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
		{Actions: []string{"ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:DeregisterTaskDefinition"}, Resources: []string{"*"}},
		{Actions: []string{"logs:GetLogEvents"}, Resources: []string{h.ID.ARN("logs", h.ID.Region, "log-group:"+h.ID.Names().LogGroup()+":log-stream:*")}},
	}
	if h.Key != "" {
		all = append(all, h.ID.UseKey(h.Key, "s3", "S3 encrypts and decrypts the objects with the key of the bucket", "kms:Decrypt", "kms:GenerateDataKey"))
	}
	return resource.Permissions{Build: all}
}
