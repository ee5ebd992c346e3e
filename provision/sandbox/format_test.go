package sandbox_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/sandbox"
)

// TestLoadFormat1 loads and saves testdata/format1.json, a file from the time when
// the sandbox was one package. Users have such files, so every later version must
// load and save one without losing anything.
func TestLoadFormat1(t *testing.T) {
	want := readJSON(t, "testdata/format1-inventory.json")
	account, err := sandbox.Load("testdata/format1.json")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, account.Inventory()); d != "" {
		t.Error("after loading (-want +have):\n" + d)
	}
	path := filepath.Join(t.TempDir(), "sandbox.json")
	account.Keep = path
	if err := deleteRole(account); err == nil { // any write saves the account
		t.Error("IAM deleted a role that has policies, want DeleteConflict")
	}
	saved := readJSON(t, path)
	maps.DeleteFunc(saved["account"].(map[string]any), func(_ string, part any) bool {
		return part == nil // a service that was added later
	})
	if d := cmp.Diff(readJSON(t, "testdata/format1.json"), saved); d != "" {
		t.Error("after saving (-loaded +saved):\n" + d)
	}
}

func readJSON(t *testing.T, path string) (v map[string]any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func deleteRole(account *sandbox.Account) error {
	_, err := iam.NewFromConfig(account.Config("us-east-1")).DeleteRole(context.Background(), &iam.DeleteRoleInput{RoleName: aws.String("Role")})
	return err
}
