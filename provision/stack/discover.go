package stack

import "github.com/flowbed/flowbed/provision/resource"

// Discoverers are all kinds of objects that Build adds, for a search of a region:
// of the identity only the account, the partition and the region count. Only buckets
// are looked for by the names that the log group records: the lists of clusters
// and roles have the tags.
func Discoverers(c Clients, id resource.Identity) resource.Searches {
	return resource.Searches{
		Anchor: resource.LogGroup{API: c.Logs, ID: id},
		Others: []resource.Search{
			{Kind: resource.Instance{API: c.EC2, ID: id}},
			{Kind: resource.SecurityGroup{API: c.EC2, ID: id}},
			{Kind: resource.KeyPair{API: c.EC2, ID: id}},
			{Kind: resource.Cluster{API: c.ECS, ID: id}},
			{Kind: resource.Parameter{API: c.SSM, ID: id}},
			{Kind: resource.Role{API: c.IAM, ID: id}},
			{Kind: resource.Profile{API: c.IAM, ID: id}},
			{Kind: resource.Bucket{API: c.S3, ID: id}, RecordedAs: []string{resource.KindBucket}},
		},
	}
}
