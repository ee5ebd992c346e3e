package sandbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/sandbox"
	sandboxssm "github.com/flowbed/flowbed/provision/sandbox/ssm"
	"github.com/flowbed/flowbed/test/try"
)

const secret = "pnu_0123456789abcdef"

func putSecret(t *testing.T, a *sandbox.Account, value string) {
	t.Helper()
	try.Must(ssm.NewFromConfig(a.Config("us-east-1")).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/key"), Value: &value, Type: "SecureString", Overwrite: aws.Bool(true),
	}))
}

func getSecret(t *testing.T, a *sandbox.Account) string {
	t.Helper()
	out := try.Must(ssm.NewFromConfig(a.Config("us-east-1")).GetParameter(t.Context(), &ssm.GetParameterInput{
		Name: aws.String("/key"), WithDecryption: aws.Bool(true),
	}))
	return *out.Parameter.Value
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dir", "sandbox.json")
	a := try.Must(sandbox.Load(path))
	if err := a.Save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("Save wrote an account that has not changed")
	}
	h := try.Of(a, "us-east-1")
	try.OK(h.Role("one"))
	try.OK(h.Bucket("one", ""))
	try.OK(h.Put("k"))
	putSecret(t, a, secret)
	if err := a.Save(path); err != nil {
		t.Fatal(err)
	}
	if mode := try.Must(os.Stat(path)).Mode().Perm(); mode != 0o600 {
		t.Errorf("the file has mode %o, want 600", mode)
	}
	if n := len(try.Must(os.ReadDir(filepath.Dir(path)))); n != 2 {
		t.Errorf("the directory has %d files, want 2: the account's and its lock", n)
	}
	b := try.Must(sandbox.Load(path))
	if d := cmp.Diff(a.Inventory(), b.Inventory()); d != "" {
		t.Error("the account has changed after loading (-before +after):\n" + d)
	}
	try.WantCode(t, try.Of(b, "us-east-1").Role("one"), "EntityAlreadyExists")
}

func TestSecretsAreNotSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.json")
	a := sandbox.New()
	putSecret(t, a, "an older one")
	putSecret(t, a, secret)
	if have := getSecret(t, a); have != secret {
		t.Errorf("before saving: have %q, want the secret", have)
	}
	if err := a.Save(path); err != nil {
		t.Fatal(err)
	}
	if text := string(try.Must(os.ReadFile(path))); strings.Contains(text, secret) || strings.Contains(text, "an older one") {
		t.Error("the file contains the secret, want only its fingerprint")
	}
	for _, c := range []struct {
		known []string
		want  string
	}{{nil, "pnu_" + sandboxssm.NotKept}, {[]string{"wrong", ""}, "pnu_" + sandboxssm.NotKept}, {[]string{"wrong", secret}, secret}} {
		b := try.Must(sandbox.Load(path))
		b.Secrets = c.known
		if have := getSecret(t, b); have != c.want {
			t.Errorf("with Secrets %q: have %q, want %q", c.known, have, c.want)
		}
	}
	c := try.Must(sandbox.Load(path)) // saving again keeps the fingerprint of an unknown secret
	try.OK(try.Of(c, "us-east-1").Role("one"))
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	d := try.Must(sandbox.Load(path))
	if d.Secrets = []string{secret}; getSecret(t, d) != secret {
		t.Error("the second Save lost the secret's fingerprint")
	}
}

func TestDamagedFile(t *testing.T) {
	for name, text := range map[string]string{
		"cut off": `{"format": 1, "account": {`, "empty": "", "another version": `{"format": 99, "account": {}}`, "something else": `{"a": 1}`,
		"no account": `{"format": 1, "account": null}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sandbox.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := sandbox.Load(path)
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "delete the file") {
				t.Errorf("have error %v, want one that names the file and says to delete it", err)
			}
		})
	}
}

func TestKeepSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.json")
	h := try.New("us-east-1")
	h.Keep = path
	try.OK(h.Role("one")) // and no Save
	if !try.Of(try.Must(sandbox.Load(path)), "us-east-1").HasRole("one") {
		t.Error("the file lacks the role that was created without Save")
	}
	h.Keep = filepath.Join(path, "not a directory")
	if err := h.Role("two"); err == nil {
		t.Error("a write succeeded although the file could not be saved")
	}
}

func TestInventoryOmitsAWSsOwn(t *testing.T) {
	h, ctx := try.New("us-east-1"), t.Context()
	empty := h.Inventory()
	try.Must(ec2.NewFromConfig(h.Config("us-east-1")).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}))
	try.WantCode(t, h.Link("ecs.amazonaws.com"), "")
	try.OK(h.Role("one"))
	try.OK(h.Bucket("one", ""))
	if d := cmp.Diff(empty, h.Inventory()); !strings.Contains(d, `"one"`) {
		t.Errorf("the inventory lacks the role and the bucket named one (-empty +have):\n%s", d)
	}
	try.OK(h.DropBucket("one"))
	try.Must(h.IAM.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("one")}))
	if d := cmp.Diff(empty, h.Inventory()); d != "" {
		t.Error("the inventory after deletion (-before +after):\n" + d)
	}
}
