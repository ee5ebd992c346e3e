package resource_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

const stranger = "210987654321"

// pail is a flow bucket in a sandbox, and a hand that fills it.
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

func (p *pail) drop(keys ...string) *pail {
	for _, k := range keys {
		if _, err := p.api.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: &p.want.Name, Key: &k}); err != nil {
			panic(err)
		}
	}
	return p
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
	if err := p.want.Create(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range p.want.Changes(resource.BucketState{}) {
		if err := c.Do(ctx); err != nil {
			t.Fatal(c.Field, err)
		}
	}
	p.put("a").drop("a")
	if _, err := p.api.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &p.want.Name, Key: aws.String("u")}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.want.Obstacles(ctx, resource.BucketState{}); err != nil {
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
		{"here", "us-east-1", false, "the bucket flows belongs to another account, or the permission s3:GetBucketTagging is missing"},
		{"in our own namespace", "us-east-1", true, "the permission s3:GetBucketTagging is missing"},
		{"in another region", "eu-north-1", false, "a bucket named flows exists in another region: choose another"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPail("us-east-1")
			p.want.Regional = c.regional
			p.account.TakeBucket("flows", stranger, c.region)
			wantError(t, p.graph().Up(t.Context()), c.want)
			if n := len(p.account.Writes()); n != 0 {
				t.Errorf("%d writing calls were made", n)
			}
		})
	}
	t.Run("taken in the last moment", func(t *testing.T) {
		p := newPail("us-east-1")
		p.account.TakeBucket("flows", stranger, "us-east-1")
		wantError(t, p.want.Create(t.Context()), "another account has the name flows: choose another bucket name")
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

func TestObstacles(t *testing.T) {
	for _, c := range []struct {
		name  string
		fill  func(*pail)
		force bool
		want  []string
		note  provision.Severity
	}{
		{"empty", func(*pail) {}, false, nil, 0},
		{"one object", func(p *pail) { p.put("a") }, false, []string{"flows is not empty: 1 object;", "--force-destroy-bucket"}, provision.Error},
		{"only what was deleted", func(p *pail) { p.put("a", "b").drop("a", "b") }, false, []string{"2 older versions, 2 delete markers"}, provision.Error},
		{"all kinds", func(p *pail) { p.put("a", "b", "b", "c").drop("c") }, false, []string{"2 objects, 2 older versions, 1 delete marker"}, provision.Error},
		{"allowed", func(p *pail) { p.put("a") }, true, []string{"1 object will be deleted with the bucket flows"}, provision.Warn},
		{"more than is counted", func(p *pail) { p.put(keys(10001)...).put(keys(10001)...) }, false, []string{"more than"}, provision.Error},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPail("us-east-1").up(t)
			p.want.ForceDestroy = c.force
			c.fill(p)
			notes, err := p.want.Obstacles(t.Context(), resource.BucketState{})
			if err != nil || len(notes) != min(len(c.want), 1) {
				t.Fatalf("have the notes %v (%v)", notes, err)
			}
			for _, w := range c.want {
				if !strings.Contains(notes[0].Text, w) || notes[0].Severity != c.note {
					t.Errorf("have the %s %q, want %q", notes[0].Severity, notes[0].Text, w)
				}
			}
		})
	}
}

func TestDownOfFullBucket(t *testing.T) {
	p := newPail("us-east-1").up(t).put(keys(3)...)
	_, err := p.graph().Down(t.Context())
	wantError(t, err, "3 objects", "--force-destroy-bucket")
	if p.calls("DeleteBucket") > 0 {
		t.Error("the bucket was to be deleted all the same")
	}
}

// Between plan and deletion somebody writes to the bucket that was empty.
func TestBucketFilledAfterThePlan(t *testing.T) {
	p := newPail("us-east-1").up(t)
	p.account.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.Operation == "ListObjectVersions" {
			return sandbox.Fault{Then: func() { p.put("late") }}
		}
		return sandbox.Fault{}
	}
	_, err := p.graph().Down(t.Context())
	wantError(t, err, "the bucket flows is not empty", "--force-destroy-bucket")
	have, err := p.want.Read(t.Context())
	if err != nil || len(p.want.Changes(have)) > 0 {
		t.Errorf("the bucket was changed before it turned out to stay: %v, %v", p.want.Changes(have), err)
	}
}

func TestEmptying(t *testing.T) {
	p := newPail("us-east-1").up(t)
	p.want.ForceDestroy = true
	p.put(keys(1100)...).put(keys(1100)...).drop(keys(200)...)
	for range 3 {
		if _, err := p.api.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &p.want.Name, Key: aws.String("u")}); err != nil {
			t.Fatal(err)
		}
	}
	written := false
	p.account.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.Operation != "DeleteObjects" || written {
			return sandbox.Fault{}
		}
		written = true // somebody still writes, to what has been passed already
		return sandbox.Fault{Then: func() { p.put("key-0000") }}
	}
	left, err := p.graph().Down(t.Context())
	if err != nil || !left.Empty() || len(p.account.Inventory()) != 0 {
		t.Errorf("left: %v, %v, error: %v", left, p.account.Inventory(), err)
	}
	if batches, aborts := p.calls("DeleteObjects"), p.calls("AbortMultipartUpload"); batches != 4 || aborts != 3 {
		t.Errorf("have %d batches and %d aborted uploads, want 4 and 3", batches, aborts)
	}
	ops := []string{}
	for _, c := range p.account.Writes() {
		ops = append(ops, c.Operation)
	}
	if slices.Index(ops, "DeleteBucketPolicy") > slices.Index(ops, "DeleteObjects") {
		t.Error("the policy, which could forbid it, did not go before the objects")
	}
}

// DeleteObjects succeeds even if it deletes nothing.
func TestKeysThatCannotBeDeleted(t *testing.T) {
	p := newPail("us-east-1")
	p.want.ForceDestroy = true
	if _, err := p.api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &p.want.Name, ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	p.put(keys(9)...)
	for _, k := range keys(4) {
		if _, err := p.api.PutObjectLegalHold(t.Context(), &s3.PutObjectLegalHoldInput{
			Bucket: &p.want.Name, Key: &k, LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOn},
		}); err != nil {
			t.Fatal(err)
		}
	}
	err := p.want.Delete(t.Context(), resource.BucketState{})
	wantError(t, err, "4 of 9 were not deleted", "key-0000 (version v", "key-0002", "…", "AccessDenied")
	if strings.Contains(err.Error(), "key-0003") {
		t.Error("all keys are named")
	}
	if awserr.Classify(err) != awserr.Denied {
		t.Errorf("the error is of the class %d, want Denied", awserr.Classify(err))
	}
	if p.calls("DeleteBucket") > 0 {
		t.Error("the bucket was to be deleted all the same")
	}
}

func TestEmptyingStopsBetweenBatches(t *testing.T) {
	p := newPail("us-east-1").up(t).put(keys(2500)...)
	p.want.ForceDestroy = true
	ctx, stop := context.WithCancel(t.Context())
	p.account.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.Operation == "DeleteObjects" {
			return sandbox.Fault{Then: stop}
		}
		return sandbox.Fault{}
	}
	_, err := p.graph().Down(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("have the error %v, want the interruption", err)
	}
	if n := p.calls("DeleteObjects"); n != 1 {
		t.Errorf("%d batches were deleted, want the one under way", n)
	}
	p.account.Fault = nil
	if left, err := p.graph().Down(t.Context()); err != nil || !left.Empty() {
		t.Errorf("the next down: %v, %v", left, err)
	}
}
