package moto

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
)

type bucketTags struct {
	Tags []struct{ Key, Value string } `xml:"Tags>Tag"`
}

// bucketDefaults is what AWS sets on every new bucket since April 2023: all public
// access is blocked, and objects are encrypted with S3's key and belong to the bucket's
// owner.
var bucketDefaults = map[string]string{
	"publicAccessBlock": `<PublicAccessBlockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
		`<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>` +
		`<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>` +
		`</PublicAccessBlockConfiguration>`,
	"encryption": `<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>` +
		`<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>` +
		`<BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`,
	"ownershipControls": `<OwnershipControls xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>` +
		`<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>`,
}

// createBucket sets the tags of the create call, which moto drops, and AWS's defaults,
// which moto's buckets lack.
func createBucket(f *Front, r request) (answer, error) {
	head, err := f.send(r.Request, http.MethodHead, r.URL.Path, r.Header, nil)
	if err != nil {
		return answer{}, err
	}
	a, err := f.pass(r)
	if err != nil || a.status != http.StatusOK || head.status != http.StatusNotFound {
		return a, err
	}
	configs := maps.Clone(bucketDefaults)
	if r.Header.Get("X-Amz-Object-Ownership") != "" {
		delete(configs, "ownershipControls")
	}
	tags, err := taggingOf(r.body)
	if err != nil {
		return answer{}, fmt.Errorf("read the tags of a new bucket: %w", err)
	}
	if tags != "" {
		configs["tagging"] = tags
	}
	return a, f.configure(r, configs)
}

// taggingOf turns the tags of a create call into the document that sets them.
func taggingOf(body []byte) (string, error) {
	var wanted bucketTags
	if len(body) == 0 {
		return "", nil
	}
	if err := xml.Unmarshal(body, &wanted); err != nil || len(wanted.Tags) == 0 {
		return "", err
	}
	text, err := xml.Marshal(struct {
		XMLName xml.Name                      `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
		Tags    []struct{ Key, Value string } `xml:"TagSet>Tag"`
	}{Tags: wanted.Tags})
	return string(text), err
}

func (f *Front) configure(r request, configs map[string]string) error {
	for part, config := range configs {
		set, err := f.send(r.Request, http.MethodPut, r.URL.Path+"?"+part, r.Header, []byte(config))
		if err != nil {
			return err
		}
		if set.status >= 300 {
			return fmt.Errorf("set %s of a new bucket: moto returned %d: %s", part, set.status, set.body)
		}
	}
	return nil
}
