package resource

import "github.com/flowbed/flowbed/provision/cost"

// Costs implements Kind: AWS bills what is in it, and requests.
func (Bucket) Costs() []cost.Usage { return nil }

// Permissions are what the calls need. Only a bucket with ForceDestroy needs the
// permissions to list and delete its contents.
func (b Bucket) Permissions() Permissions {
	arn := "arn:" + b.ID.Partition + ":s3:::" + b.Name
	p := Permissions{
		Read: []Permission{on(arn, "s3:GetBucketTagging", "s3:GetBucketPublicAccessBlock", "s3:GetBucketOwnershipControls",
			"s3:GetEncryptionConfiguration", "s3:GetBucketPolicy", "s3:GetBucketVersioning", "s3:GetLifecycleConfiguration")},
		CheckDelete: []Permission{on(arn, "s3:ListBucketVersions")},
		Build: []Permission{
			on(arn, "s3:CreateBucket", "s3:PutBucketTagging", "s3:PutBucketPublicAccessBlock", "s3:PutBucketOwnershipControls",
				"s3:PutEncryptionConfiguration", "s3:PutBucketPolicy", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration"),
			on(arn, "s3:TagResource").implied("S3 checks it if CreateBucket has tags"),
		},
		Delete: []Permission{on(arn, "s3:DeleteBucket")},
	}
	if b.Logs.Bucket != "" {
		p.Read = append(p.Read, on(arn, "s3:GetBucketLogging"))
		p.Build = append(p.Build, on(arn, "s3:PutBucketLogging"))
	}
	if b.ForceDestroy {
		p.Delete = append(p.Delete,
			on(arn, "s3:DeleteBucketPolicy", "s3:ListBucketMultipartUploads"),
			on(arn+"/*", "s3:AbortMultipartUpload", "s3:DeleteObject"),
			on(arn+"/*", "s3:DeleteObjectVersion").implied("S3 checks it if DeleteObjects names versions"))
	}
	return p
}
