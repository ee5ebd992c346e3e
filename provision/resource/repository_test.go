package resource_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// registry is a repository in an account.
type registry struct {
	account *sandbox.Account
	api     *ecr.Client
	want    resource.Repository
}

func newRegistry() registry {
	a := sandbox.New()
	api := ecr.NewFromConfig(a.Config("us-east-1"))
	return registry{a, api, resource.Repository{
		API: api, ID: resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws"},
		Name: "flows", KeepImages: 30, ScanOnPush: true,
	}}
}

func (r registry) graph() *provision.Graph {
	g := &provision.Graph{Owner: "dev@us-east-1", Retry: awserr.Retry}
	provision.Add(g, "repository", provision.Own, r.want)
	return g
}

func (r registry) push(t *testing.T, images int) {
	t.Helper()
	for i := range images {
		if _, err := r.api.PutImage(context.Background(), &ecr.PutImageInput{
			RepositoryName: aws.String("flows"), ImageTag: aws.String(fmt.Sprint("v", i)), ImageManifest: aws.String(fmt.Sprint("{", i, "}")),
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRepositoryWithImages: down stops before it deletes anything, unless it may
// delete the images.
func TestRepositoryWithImages(t *testing.T) {
	for _, c := range []struct {
		images int
		force  bool
		want   string
	}{
		{0, false, ""},
		{1, false, "the repository flows is not empty: 1 image → delete all images, or delete it with its images (--force-destroy"},
		{3, false, "the repository flows is not empty: 3 images → delete"},
		{10001, false, "the repository flows is not empty: more than 10000 images"},
		{3, true, ""},
	} {
		t.Run(fmt.Sprintf("%d images, force %v", c.images, c.force), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegistry()
				if err := r.graph().Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				r.push(t, c.images)
				r.want.ForceDestroy = c.force
				before := len(r.account.Writes())
				left, err := r.graph().Down(t.Context())
				if c.want == "" {
					if err != nil || !left.Empty() || len(r.account.Inventory()) > 0 {
						t.Errorf("down: %v, left %+v", err, left)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), c.want) || len(r.account.Writes()) > before {
					t.Errorf("down: %v after %d writing calls, want %q after none", err, len(r.account.Writes())-before, c.want)
				}
			})
		})
	}
}

// TestImagePushedDuringDown: ECR refuses, and what to do is said.
func TestImagePushedDuringDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		if err := r.graph().Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.account.Fault = func(c sandbox.Call) sandbox.Fault {
			if c.Operation != "DescribeImages" {
				return sandbox.Fault{}
			}
			r.account.Fault = nil
			return sandbox.Fault{Then: func() { r.push(t, 1) }}
		}
		_, err := r.graph().Down(t.Context())
		if awserr.Code(err) != "RepositoryNotEmptyException" || !strings.Contains(awserr.Hint(err), "--force-destroy") {
			t.Errorf("down: %v (%s)", err, awserr.Hint(err))
		}
	})
}

// TestRepositoryPlan shows what a creation consists of.
func TestRepositoryPlan(t *testing.T) {
	r := newRegistry()
	var fields []string
	for _, c := range r.want.Changes(resource.RepositoryState{}) {
		fields = append(fields, c.Field+" "+c.To.String())
	}
	for i, want := range []string{"tags ", "encryption AES256", "image tags mutable", "scan on push on", `lifecycle policy {"rules":`} {
		if i >= len(fields) || !strings.HasPrefix(fields[i], want) {
			t.Errorf("have %q, want %q at %d", fields, want, i)
		}
	}
	r.want.KeepImages = 0
	if list := r.want.Changes(resource.RepositoryState{}); strings.Contains(list[len(list)-1].To.String(), "imageCountMoreThan") {
		t.Errorf("keep_images = 0 drops images: %s", list[len(list)-1].To)
	}
}
