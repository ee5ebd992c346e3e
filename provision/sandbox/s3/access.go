package s3

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// The authorization of S3's calls:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html

func bucketAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.bucketARN(core.Text(in, "Bucket")))
}

func objectAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.bucketARN(core.Text(in, "Bucket")) + "/" + core.Text(in, "Key"))
}

func createBucketAccess(r *request, a core.Access, in *s3.CreateBucketInput) []core.Access {
	all := bucketAccess(r, a, in)
	if c := in.CreateBucketConfiguration; c != nil && len(c.Tags) > 0 {
		all = append(all, all[0].WithAction("s3:TagResource"))
	}
	if in.ObjectOwnership != "" {
		all = append(all, all[0].WithAction("s3:PutBucketOwnershipControls"))
	}
	return all
}

func deleteObjectsAccess(r *request, a core.Access, in *s3.DeleteObjectsInput) (all []core.Access) {
	for _, o := range in.Delete.Objects {
		one := a.WithResource(r.bucketARN(aws.ToString(in.Bucket)) + "/" + aws.ToString(o.Key))
		if all = append(all, one); o.VersionId != nil {
			all = append(all, one.WithAction("s3:DeleteObjectVersion"))
		}
	}
	return all
}
