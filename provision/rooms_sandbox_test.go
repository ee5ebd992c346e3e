package provision_test

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sandbox = "provision/sandbox"

// asks is which other services a service of the sandbox may ask.
var asks = map[string][]string{
	"ec2": {"iam"},
	"ecs": {"iam"},
	"s3":  {"iam"},
	"ssm": {"ec2", "iam"},
}

// TestSandboxRooms: the services stand on core and ask each other as AWS's do;
// only the sandbox itself knows all of them; and nothing in it knows what flowbed
// says of its own permissions and kinds, against which it is a witness. A new
// service needs no line here unless it asks another.
func TestSandboxRooms(t *testing.T) {
	rooms, err := filepath.Glob(filepath.Join("sandbox", "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string][]string{sandbox: {sandbox + "/core"}, sandbox + "/core": {"provision/awserr"}}
	for _, file := range rooms {
		name := filepath.Base(filepath.Dir(file))
		if name == "genservices" || allowed[sandbox+"/"+name] != nil {
			continue
		}
		allowed[sandbox] = append(allowed[sandbox], sandbox+"/"+name)
		allowed[sandbox+"/"+name] = []string{sandbox + "/core"}
		for _, other := range asks[name] {
			allowed[sandbox+"/"+name] = append(allowed[sandbox+"/"+name], sandbox+"/"+other)
		}
	}
	if len(allowed) < 9 {
		t.Fatalf("only the rooms %v were found", allowed)
	}
	for room, may := range allowed {
		for name := range imports(t, filepath.Join("..", filepath.FromSlash(room))) {
			if other, ours := strings.CutPrefix(name, module); ours && !slices.Contains(may, other) {
				t.Errorf("%s imports %s, and may know only %v", room, other, may)
			}
			if path.Base(name) == "template" {
				t.Errorf("%s imports %s: see docs/decisions/0006-no-text-template.md", room, name)
			}
		}
	}
}
