package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// TestServiceElsewhere builds an environment, and then lets S3's calls go to another server,
// as a variable does that was left over from work with MinIO. No run that removes something
// may look for the bucket there and report that none are left.
func TestServiceElsewhere(t *testing.T) {
	t.Parallel()
	named := func(cluster string) string {
		return `environment "dev" {
  region = "us-east-1"
  ttl    = "8h"
  cluster { name = "` + cluster + `" }
}
`
	}
	s := newSession(t, named("flows"), "")
	before := inventory(t, s.front)
	s.run(0, "up", "--yes")

	elsewhere := s
	other, err := moto.Start(t.Context()) // the names of buckets are unique on one server
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Stop)
	minio := other.Account(s.front.Account, 0)
	t.Cleanup(minio.Close)
	elsewhere.env = []string{"AWS_ENDPOINT_URL_S3=" + minio.URL}
	bucket := func() bool {
		return slices.ContainsFunc(inventory(t, s.front)["bucket"], func(name string) bool {
			return strings.HasPrefix(name, "flowbed-dev-"+s.front.Account)
		})
	}
	refused := func(args ...string) {
		t.Helper()
		s.front.Reset()
		minio.Reset()
		_, said := elsewhere.start(args...).wait(1)
		for _, want := range []string{"s3 at " + minio.URL, "all others at " + s.front.URL, "unset AWS_ENDPOINT_URL_S3", "--accept-endpoints"} {
			if !strings.Contains(said, want) {
				t.Errorf("%v does not say %q:\n%s", args, want, said)
			}
		}
		if strings.Contains(said, "0 left") {
			t.Errorf("%v says 0 left:\n%s", args, said)
		}
		elsewhere.wantNoWrites(strings.Join(args, " "))
		for _, c := range minio.Calls() {
			if !c.Reads() {
				t.Errorf("%v made the write %s elsewhere", args, c.Operation)
			}
		}
	}
	if out := elsewhere.run(0, "plan"); !strings.Contains(out, "endpoint s3  "+minio.URL) {
		t.Errorf("the plan does not name the endpoint of S3:\n%s", out)
	}
	refused("down", "--yes")
	refused("sweep", "dev", "--region", "us-east-1", "--yes")
	if err := os.WriteFile(filepath.Join(s.dir, "config.hcl"), []byte(named("other")), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("up", "--yes") // it would delete the old cluster
	if !bucket() {
		t.Fatal("the bucket is gone")
	}

	// Who wants it gets it: the bucket stays, and is found when the variable is unset.
	out, said := elsewhere.start("down", "--yes", "--accept-endpoints").wait(0)
	if !strings.Contains(out, "ENDPOINTS DIFFER: s3 at "+minio.URL) || !strings.Contains(said, "0 left") || !bucket() {
		t.Errorf("with --accept-endpoints (the bucket is there: %v):\n%s%s", bucket(), out, said)
	}
	s.run(0, "down", "--yes")
	if d := cmp.Diff(before, inventory(t, s.front)); d != "" {
		t.Errorf("the account has changed (-before +after):\n%s", d)
	}
}
