package rooms_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root    = "../.."
	module  = "github.com/flowbed/flowbed/"
	sandbox = "provision/sandbox"
)

// mayKnow is which room may import which. A room stands above those that it may
// know, so an arrow that runs back up has no place here. The rooms of the sandbox
// are in [sandboxRooms].
var mayKnow = map[string][]string{
	"provision":             {},
	"provision/awserr":      {},
	"provision/names":       {},
	"provision/prefect":     {},
	"templates":             {},
	"provision/view":        {"provision"},
	"provision/spec":        {"provision/names", "provision/prefect"},
	"provision/resource":    {"provision", "provision/awserr", "provision/names", "provision/prefect"},
	"provision/lease":       {"provision/awserr", "provision/resource"},
	"provision/inventory":   {"provision/resource"},
	"provision/permissions": {"provision", "provision/resource"},
	"provision/stack": {"provision", "provision/awserr", "provision/lease", "provision/names", "provision/permissions",
		"provision/prefect", "provision/resource", "provision/spec", "templates"},
	"provision/doctor": {"provision", "provision/awserr", "provision/lease", "provision/permissions", "provision/prefect",
		"provision/resource", "provision/spec", "provision/stack"},
	"cmd/flowbed": {"provision", "provision/awserr", "provision/doctor", "provision/inventory", "provision/lease",
		"provision/permissions", "provision/prefect", "provision/resource", sandbox, "provision/spec", "provision/stack", "provision/view"},

	"provision/permissions/gendoc": {"provision/permissions", "provision/resource", "provision/spec", "provision/stack"},
	"provision/spec/gendoc":        {},

	"test/audit":             {"provision/resource"},
	"test/e2e":               {},
	"test/e2e/able":          {"test/e2e/venv"},
	"test/e2e/bench":         {"test/e2e/moto", "test/prefecttest"},
	"test/e2e/faultproxy":    {"test/e2e/moto", "test/faultmatrix"},
	"test/e2e/hypervisor":    {},
	"test/e2e/moto":          {"test/e2e/venv"},
	"test/e2e/prefectserver": {"test/e2e/venv"},
	"test/e2e/venv":          {},
	"test/faultmatrix":       {},
	"test/lifecycle":         {"provision", "provision/awserr", "provision/resource"},
	"test/prefecttest":       {},
	"test/rooms":             {},
	"test/try":               {sandbox, sandbox + "/core"},
}

// asks is which other services a service of the sandbox asks, as AWS's do.
var asks = map[string][]string{"ec2": {"iam"}, "ecs": {"iam"}, "s3": {"iam"}, "ssm": {"ec2", "iam"}}

// sandboxRooms are the sandbox's: the services stand on core, and only the sandbox
// itself knows all of them. Nothing in it knows what flowbed says of its own kinds
// and permissions, against which it is a witness.
func sandboxRooms(all map[string]*room) map[string][]string {
	may := map[string][]string{sandbox: {}, sandbox + "/core": {"provision/awserr"}, sandbox + "/genservices": {}}
	for name := range all {
		service, ok := strings.CutPrefix(name, sandbox+"/")
		if !ok || may[name] != nil {
			continue
		}
		may[name] = []string{sandbox + "/core"}
		for _, other := range asks[service] {
			may[name] = append(may[name], sandbox+"/"+other)
		}
	}
	for name := range may {
		if name != sandbox+"/genservices" {
			may[sandbox] = append(may[sandbox], name)
		}
	}
	return may
}

// room is a package: what its files import, tests aside, and what it is for.
type room struct {
	imports  map[string]bool
	synopsis string
}

// rooms are the packages of the module by their folders.
func rooms(t *testing.T) map[string]*room {
	t.Helper()
	all := map[string]*room{}
	for _, top := range []string{"cmd", "provision", "templates", "test"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(file) != ".go" {
				return err
			}
			name, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			if all[name] == nil {
				all[name] = &room{imports: map[string]bool{}}
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
			if err != nil {
				return err
			}
			return all[name].add(f, strings.HasSuffix(file, "_test.go"))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d packages were found", len(all))
	}
	return all
}

func (r *room) add(f *ast.File, test bool) error {
	if f.Doc != nil {
		r.synopsis = new(doc.Package).Synopsis(f.Doc.Text())
	}
	if test {
		return nil
	}
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return err
		}
		r.imports[p] = true
	}
	return nil
}

// Rooms that grow towards each other are hard to part again.
func TestRooms(t *testing.T) {
	all := rooms(t)
	may := sandboxRooms(all)
	maps.Copy(may, mayKnow)
	for name := range may {
		if all[name] == nil {
			t.Errorf("there is no room %s", name)
		}
	}
	for name, r := range all {
		allowed, ok := may[name]
		if !ok {
			t.Errorf("%s is a new room: say in mayKnow which others it may know", name)
			continue
		}
		for p := range r.imports {
			if other, ours := strings.CutPrefix(p, module); ours && !slices.Contains(allowed, other) {
				t.Errorf("%s imports %s, and may know only %v", name, other, allowed)
			}
		}
	}
	for p := range all["provision"].imports {
		if strings.Contains(p, "/aws/") || strings.Contains(p, "/hcl/") {
			t.Errorf("the engine imports %s", p)
		}
	}
}

// The linker keeps every method of the SDK's clients if text/template is there.
func TestNoTemplates(t *testing.T) {
	for name, r := range rooms(t) {
		product := !strings.HasPrefix(name, "test/") && !strings.Contains(path.Base(name), "gen")
		for p := range r.imports {
			if product && path.Base(p) == "template" {
				t.Errorf("%s imports %s: see docs/decisions/0006-no-text-template.md", name, p)
			}
		}
	}
}

// The kinds declare what their errors mean, in package resource. A room that asks
// awserr about an error needs that package in the program, or it knows half of them.
// The sandbox asks only for the names of actions.
func TestErrorsAreDeclared(t *testing.T) {
	const errors, kinds = "provision/awserr", "provision/resource"
	for name, r := range rooms(t) {
		if name == errors || name == kinds || strings.HasPrefix(name, sandbox) || !r.imports[module+errors] {
			continue
		}
		if !r.imports[module+kinds] && !r.imports[module+"provision/stack"] {
			t.Errorf("%s imports %s without %s", name, errors, kinds)
		}
	}
}
