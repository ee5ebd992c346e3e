package resource_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	sandboxs3 "github.com/flowbed/flowbed/provision/sandbox/s3"
)

const stranger = "210987654321"

// pail is a flow bucket in a sandbox, and a client that fills it.
type pail struct {
	account *sandbox.Account
	api     *s3.Client
	want    resource.Bucket
}

func newPail(region string) *pail {
	a := sandbox.New()
	api := s3.NewFromConfig(a.Config(region))
	return &pail{a, api, resource.Bucket{
		API: api, Name: "flows", Versioning: true,
		ID: resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: region, Partition: "aws", Version: "1.0.0"},
	}}
}

func (p *pail) graph() *provision.Graph {
	g := &provision.Graph{Owner: p.want.ID.Owner(), Retry: awserr.Retry}
	provision.Add(g, "bucket", provision.Own, p.want)
	return g
}

func (p *pail) up(t *testing.T) *pail {
	t.Helper()
	if err := p.graph().Up(t.Context()); err != nil {
		t.Fatalf("up: %v", err)
	}
	return p
}

func (p *pail) put(keys ...string) *pail {
	for _, k := range keys {
		if _, err := p.api.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &p.want.Name, Key: &k}); err != nil {
			panic(err)
		}
	}
	return p
}

func (p *pail) drop(keys ...string) {
	for _, k := range keys {
		if _, err := p.api.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: &p.want.Name, Key: &k}); err != nil {
			panic(err)
		}
	}
}

func (p *pail) calls(operation string) (n int) {
	for _, c := range p.account.Calls() {
		if c.Operation == operation {
			n++
		}
	}
	return n
}

func keys(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("key-%04d", i))
	}
	return list
}

func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("have the error %v, want one with %q", err, text)
		}
	}
}

func TestBucketInEveryRegion(t *testing.T) {
	for _, region := range []string{"us-east-1", "eu-north-1"} {
		for _, regional := range []bool{true, false} {
			t.Run(fmt.Sprint(region, regional), func(t *testing.T) {
				p := newPail(region)
				if p.want.Regional = regional; regional {
					p.want.Name = "flows-" + sandbox.DefaultAccount + "-" + region + "-an"
				}
				p.up(t)
				have, err := p.want.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if c := p.want.Changes(have); len(c) > 0 || have.Owner().By != "dev@"+region {
					t.Errorf("after up: owner %v, changes %v", have.Owner(), c)
				}
			})
		}
	}
}

// Whoever takes the name of a bucket of ours gets nothing from us.
func TestEveryCallNamesTheOwner(t *testing.T) {
	p := newPail("us-east-1")
	p.want.ForceDestroy = true
	checked := map[string]bool{}
	cfg := p.account.Config("us-east-1")
	cfg.APIOptions = append([]func(*middleware.Stack) error{func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("owner", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			op := middleware.GetOperationName(ctx)
			if op != "CreateBucket" { // which has no such parameter
				checked[op] = true
				f := reflect.ValueOf(in.Parameters).Elem().FieldByName("ExpectedBucketOwner")
				if !f.IsValid() || f.IsNil() || f.Elem().String() != sandbox.DefaultAccount {
					t.Errorf("%s does not say whose bucket it expects", op)
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}}, cfg.APIOptions...)
	p.want.API = s3.NewFromConfig(cfg)
	// One call at a time: the check notes what it saw without a lock.
	ctx := t.Context()
	if _, err := p.want.Create(ctx); err != nil {
		t.Fatal(err)
	}
	makeAll(t, p.want.Changes(resource.BucketState{}))
	p.put("a").drop("a")
	if _, err := p.api.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &p.want.Name, Key: aws.String("u")}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.want.CheckDelete(ctx, resource.BucketState{}); err != nil {
		t.Fatal(err)
	}
	if err := p.want.Delete(ctx, resource.BucketState{}); err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{"PutBucketTagging", "PutBucketPolicy", "DeleteObjects", "AbortMultipartUpload", "DeleteBucket"} {
		if !checked[op] {
			t.Errorf("%s was not called", op)
		}
	}
}

func TestBucketOfSomebodyElse(t *testing.T) {
	for _, c := range []struct {
		name     string
		region   string
		regional bool
		want     string
	}{
		{"here", "us-east-1", false, "bucket flows belongs to another account, or permission s3:GetBucketTagging is missing"},
		{"in our own namespace", "us-east-1", true, "read bucket: permission s3:GetBucketTagging is missing"},
		{"in another region", "eu-north-1", false, "bucket flows exists in another region"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPail("us-east-1")
			p.want.Regional = c.regional
			sandboxs3.TakeBucket(p.account, "flows", stranger, c.region)
			wantError(t, p.graph().Up(t.Context()), c.want)
			if n := len(p.account.Writes()); n != 0 {
				t.Errorf("%d writing calls were made", n)
			}
		})
	}
	t.Run("taken in the last moment", func(t *testing.T) {
		p := newPail("us-east-1")
		sandboxs3.TakeBucket(p.account, "flows", stranger, "us-east-1")
		_, err := p.want.Create(t.Context())
		wantError(t, err, "another account owns the bucket name flows: ")
	})
}

// Some servers that speak S3 forget the tags of a creation.
func TestTagsThatTheCreationLost(t *testing.T) {
	p := newPail("us-east-1")
	p.account.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.Operation != "CreateBucket" {
			return sandbox.Fault{}
		}
		return sandbox.Fault{Then: func() {
			if _, err := p.api.DeleteBucketTagging(t.Context(), &s3.DeleteBucketTaggingInput{Bucket: &p.want.Name}); err != nil {
				t.Error(err)
			}
		}}
	}
	p.up(t)
}

func TestTagsOfOthersStay(t *testing.T) {
	p := newPail("us-east-1").up(t)
	if _, err := p.api.PutBucketTagging(t.Context(), &s3.PutBucketTaggingInput{Bucket: &p.want.Name, Tagging: &types.Tagging{TagSet: []types.Tag{
		{Key: aws.String("cost-centre"), Value: aws.String("42")},
		{Key: aws.String(resource.KeyEnvironment), Value: aws.String("dev")},
		{Key: aws.String(resource.KeyRegion), Value: aws.String("us-east-1")},
		{Key: aws.String(resource.KeyManagedBy), Value: aws.String("flowbed")},
	}}}); err != nil {
		t.Fatal(err)
	}
	p.up(t)
	have, err := p.want.Read(t.Context())
	if err != nil || have.Tags["cost-centre"] != "42" || have.Tags["Name"] != "flows" {
		t.Errorf("have the tags %v (%v), want the other's and ours", have.Tags, err)
	}
}

func TestLifecycleOfVersions(t *testing.T) {
	for days, want := range map[int]string{
		0: `[{"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7},"ID":"flowbed","Status":"Enabled"}]`,
		30: `[{"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7},"Expiration":{"Days":30},"ID":"flowbed",` +
			`"NoncurrentVersionExpiration":{"NoncurrentDays":30},"Status":"Enabled"}]`,
	} {
		p := newPail("us-east-1")
		p.want.ExpireDays = days
		have, err := p.up(t).want.Read(t.Context())
		if err != nil || have.Lifecycle != want {
			t.Errorf("%d days: have %s (%v)\nwant %s", days, have.Lifecycle, err, want)
		}
	}
}

func TestVersioningOff(t *testing.T) {
	p := newPail("us-east-1").up(t)
	if p.want.Versioning = false; len(p.want.Changes(resource.BucketState{Versioning: ""})) == 0 {
		t.Error("a creation without versioning changes nothing")
	}
	have, _ := p.up(t).want.Read(t.Context())
	if have.Versioning != "Suspended" {
		t.Errorf("versioning is %q, want Suspended", have.Versioning)
	}
	for _, c := range p.want.Changes(resource.BucketState{}) {
		if c.Field == "versioning" {
			t.Errorf("what was never enabled is to become %s", c.To)
		}
	}
}

// A name is not free at once when its bucket is deleted: S3 says so for minutes,
// at times for an hour.
func TestNameOfADeletedBucket(t *testing.T) {
	for rest, want := range map[time.Duration]string{
		time.Minute: "", time.Hour: "S3 still blocks the name flows, probably after a recent deletion: ",
	} {
		t.Run(rest.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPail("us-east-1")
				p.account.ReuseLag = rest
				p.up(t)
				if _, err := p.graph().Down(t.Context()); err != nil {
					t.Fatal(err)
				}
				err := p.graph().Up(t.Context())
				if want == "" && err == nil {
					return
				}
				wantError(t, err, want)
			})
		})
	}
}

// TestBucketTagsInOneWrite: PutBucketTagging replaces all tags, so two writes, one to drop
// tags and one to set others, would lose the work of one.
func TestBucketTagsInOneWrite(t *testing.T) {
	for n := range 20 {
		synctest.Test(t, func(t *testing.T) {
			p := newPail("us-east-1")
			p.want.ID.Protected = true
			p.up(t)
			before := p.calls("PutBucketTagging")
			p.want.ID.Protected, p.want.ID.Extra = false, map[string]string{"team": "ops"}
			p.up(t)
			if have := p.calls("PutBucketTagging") - before; have != 1 {
				t.Fatalf("try %d: %d writes", n, have)
			}
			plan, err := p.graph().Plan(t.Context())
			if err != nil || !plan.Empty() {
				t.Fatalf("try %d: %v, %+v", n, err, plan)
			}
		})
	}
}

// TestUnblockedEncryption: which kinds of encryption a bucket blocks is no difference, because only S3
// blocks one, and only for new buckets.
func TestUnblockedEncryption(t *testing.T) {
	p := newPail("us-east-1").up(t)
	rules := &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
		ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256},
		BlockedEncryptionTypes:             &types.BlockedEncryptionTypes{EncryptionType: []types.EncryptionType{types.EncryptionTypeNone}},
	}}}
	if _, err := p.api.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{Bucket: &p.want.Name, ServerSideEncryptionConfiguration: rules}); err != nil {
		t.Fatal(err)
	}
	plan, err := p.graph().Plan(t.Context())
	if err != nil || plan.Err() != nil || !plan.Empty() {
		t.Errorf("the plan is %+v, %v, %v", plan, err, plan.Err())
	}
}
