package stack

import (
	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// accessLogs are those of the bucket, with the step that looks at their target. Down needs
// neither, and an external bucket is used as it is.
func (s *Stack) accessLogs() (to resource.AccessLogs, target provision.Ref[resource.LogBucketState]) {
	b := s.env.Bucket
	if b.AccessLogs == nil || s.o.Destroy || b.Ownership == "external" {
		return to, target
	}
	to = resource.AccessLogs{Bucket: b.AccessLogs.Bucket, Prefix: b.AccessLogs.Prefix}
	target = data(s, "access log bucket", resource.LogBucket{API: s.c.S3, ID: s.id, Logs: to, Source: b.Name})
	return to, target
}
