package resource_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

func TestObstacles(t *testing.T) {
	for _, c := range []struct {
		name  string
		fill  func(*pail)
		force bool
		want  []string
		note  provision.Severity
	}{
		{"empty", func(*pail) {}, false, nil, 0},
		{"one object", func(p *pail) { p.put("a") }, false, []string{"flows is not empty: 1 object →", "--force-destroy-bucket"}, provision.Error},
		{"only what was deleted", func(p *pail) { p.put("a", "b").drop("a", "b") }, false, []string{"2 older versions, 2 delete markers"}, provision.Error},
		{"all kinds", func(p *pail) { p.put("a", "b", "b", "c").drop("c") }, false, []string{"2 objects, 2 older versions, 1 delete marker"}, provision.Error},
		{"allowed", func(p *pail) { p.put("a") }, true, []string{"1 object will be deleted with the bucket flows"}, provision.Warn},
		{"what hello left", func(p *pail) { p.put("flowbed-hello/abcdefg2/code/hello.py", "flowbed-hello/abcdefg2/result.txt") }, false,
			[]string{"2 objects → `flowbed hello` has left this: remove it with `flowbed hello --clean -e dev`", "--force-destroy-bucket"}, provision.Error},
		{"hello's prefix", func(p *pail) { p.put("flowbed-hello/abcdefg2/notes.txt", "flowbed-hello/abcdefg2/result.txt") }, false,
			[]string{"2 objects → empty it", "--force-destroy-bucket"}, provision.Error},
		{"another id", func(p *pail) { p.put("flowbed-hello/mine/result.txt") }, false, []string{"1 object → empty it"}, provision.Error},
		{"more than is counted", func(p *pail) { p.put(keys(10001)...).put(keys(10001)...) }, false, []string{"more than"}, provision.Error},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPail("us-east-1").up(t)
			p.want.ForceDestroy, p.want.Flags = c.force, " -e dev"
			c.fill(p)
			notes, err := p.want.CheckDelete(t.Context(), resource.BucketState{})
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

// The bucket was empty at plan, and an object is written before the deletion.
func TestBucketFilledAfterThePlan(t *testing.T) {
	p := newPail("us-east-1").up(t)
	p.account.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.Operation == "ListObjectVersions" {
			return sandbox.Fault{Then: func() { p.put("late") }}
		}
		return sandbox.Fault{}
	}
	_, err := p.graph().Down(t.Context())
	wantError(t, err, "bucket flows is not empty", "--force-destroy-bucket")
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
	wantError(t, err, "4 of 9 failed", "key-0000 (version v", "key-0002", "…", "AccessDenied")
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
