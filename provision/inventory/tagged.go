package inventory

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"golang.org/x/sync/errgroup"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
)

// These services list objects without their tags, or have no way to ask for a
// tag: the tags of those that may be ours by their names are read one by one.

const atOnce = 8 // calls for tags

// kindLease is the parameter that a run holds while it is at work; it has no
// expiry of its own.
const kindLease = "lease"

// tagged reads the tags of a list's objects. What is gone by then is left out.
func tagged(ctx context.Context, list []seen, read func(ctx context.Context, i int) (resource.Tags, error)) ([]seen, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range list {
		g.Go(func() (err error) {
			list[i].tags, err = read(ctx, i)
			if err != nil && (awserr.Classify(err) == awserr.Absent || awserr.Code(err) == "NoSuchTagSet") {
				err = nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(o seen) bool { return o.tags == nil }), nil
}

func (c Clients) parameters(ctx context.Context) (list []seen, err error) {
	pages := ssm.NewDescribeParametersPaginator(c.SSM, &ssm.DescribeParametersInput{ParameterFilters: []types.ParameterStringFilter{
		{Key: aws.String("Name"), Option: aws.String("BeginsWith"), Values: []string{"/flowbed/"}},
	}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Parameters {
			kind := "parameter"
			if strings.HasSuffix(aws.ToString(p.Name), "/lease") {
				kind = kindLease
			}
			// The date is that of the last change: it does not tell the age.
			list = append(list, seen{Object: Object{kind, aws.ToString(p.Name)}})
		}
	}
	return tagged(ctx, list, func(ctx context.Context, i int) (resource.Tags, error) {
		out, err := c.SSM.ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{
			ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: &list[i].Name,
		})
		if err != nil {
			return nil, err
		}
		t := resource.Tags{}
		for _, e := range out.TagList {
			t[aws.ToString(e.Key)] = aws.ToString(e.Value)
		}
		return t, nil
	})
}

// named is how the names begin that flowbed gives by itself.
const named = "flowbed-"

func (c Clients) roles(ctx context.Context) (list []seen, err error) {
	pages := iam.NewListRolesPaginator(c.IAM, &iam.ListRolesInput{MaxItems: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Roles {
			if name := aws.ToString(r.RoleName); strings.HasPrefix(name, named) || name == accountRole {
				list = append(list, seen{Object: Object{"role", name}, created: aws.ToTime(r.CreateDate)})
			}
		}
	}
	return tagged(ctx, list, func(ctx context.Context, i int) (resource.Tags, error) {
		out, err := c.IAM.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: &list[i].Name, MaxItems: aws.Int32(100)})
		if err != nil {
			return nil, err
		}
		t := resource.Tags{}
		for _, e := range out.Tags {
			t[aws.ToString(e.Key)] = aws.ToString(e.Value)
		}
		return t, nil
	})
}

// accountRole is the role that environments share by default.
const accountRole = "ecsTaskExecutionRole"

func (c Clients) buckets(ctx context.Context, region string) (list []seen, err error) {
	pages := s3.NewListBucketsPaginator(c.S3, &s3.ListBucketsInput{Prefix: aws.String(named), BucketRegion: &region})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, b := range page.Buckets {
			list = append(list, seen{Object: Object{"bucket", aws.ToString(b.Name)}, created: aws.ToTime(b.CreationDate)})
		}
	}
	return tagged(ctx, list, func(ctx context.Context, i int) (resource.Tags, error) {
		out, err := c.S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &list[i].Name, ExpectedBucketOwner: &c.Account})
		if err != nil {
			return nil, err
		}
		t := resource.Tags{}
		for _, e := range out.TagSet {
			t[aws.ToString(e.Key)] = aws.ToString(e.Value)
		}
		return t, nil
	})
}
