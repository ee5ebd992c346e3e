package e2e

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/prefecttest"
)

// ownNames is a config file that renames everything that can be renamed.
const ownNames = `
environment "dev" {
  region = "us-east-1"
  bucket {
    namespace = "global"
    name      = "data-of-dev"
  }
  task_role {
    name = "runner"
  }
  execution_role {
    name = "puller"
  }
  cluster {
    name = "farm"
  }
  prefect {
    api_url = "%s/api"
    api_key = "pnu_a_secret_of_the_test"
  }
  agent {}
}
`

// TestInventory compares what list finds, without knowing a name, with what up added to the
// account. Then sweep removes it.
func TestInventory(t *testing.T) {
	t.Parallel()
	prefect := httptest.NewServer(prefecttest.New())
	defer prefect.Close()
	s := newSession(t, fmt.Sprintf(ownNames, prefect.URL), "pnu_a_secret_of_the_test")
	before := inventory(t, s.front)
	s.run(0, "up", "--yes", "--no-wait")
	want := map[string][]string{}
	for kind, names := range inventory(t, s.front) {
		for _, n := range before[kind] {
			if at := slices.Index(names, n); at >= 0 {
				names = slices.Delete(names, at, at+1)
			}
		}
		if len(names) > 0 {
			want[kind] = names
		}
	}
	want["instance profile"] = want["profile"]
	want["security group"] = make([]string, len(want["group"])) // list has ids
	want["work pool"] = []string{"flowbed-dev"}                 // in Prefect; the log group records it
	for _, kind := range []string{"profile", "group", "volume"} {
		delete(want, kind) // the volume goes with its instance
	}
	if err := os.Remove(filepath.Join(s.dir, "config.hcl")); err != nil {
		t.Fatal(err)
	}

	s.front.Reset()
	have := s.listed()
	if ids := have["security group"]; len(ids) == len(want["security group"]) {
		have["security group"] = make([]string, len(ids))
	}
	have["parameter"] = append(have["parameter"], have["lock"]...)
	delete(have, "lock")
	slices.Sort(have["parameter"])
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("list (-want +have):\n%s", d)
	}
	s.wantNoWrites("list")

	s.run(0, "sweep", "dev", "--region", "us-east-1", "--yes")
	if have := s.listed(); len(have) > 0 {
		t.Errorf("after sweep: list has %v, want nothing", have)
	}
	if d := cmp.Diff(before, inventory(t, s.front)); d != "" {
		t.Errorf("the account has changed (-before up +after sweep):\n%s", d)
	}
}

// listed returns what list finds, by kind and name.
func (s session) listed() map[string][]string {
	s.Helper()
	var shown struct {
		Environments []struct {
			Objects []struct{ Kind, Name string }
		}
	}
	if err := json.Unmarshal([]byte(s.run(0, "list", "--region", "us-east-1", "--json")), &shown); err != nil {
		s.Fatal(err)
	}
	all := map[string][]string{}
	for _, e := range shown.Environments {
		for _, o := range e.Objects {
			all[o.Kind] = append(all[o.Kind], o.Name)
		}
	}
	return all
}
