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

// mayImport says which room may import which. Rooms form layers: a room may not
// import one that is above it. [sandboxRooms] has the rooms of the sandbox.
var mayImport = map[string][]string{
	"provision":             {"provision/crash"},
	"provision/awserr":      {},
	"provision/columns":     {},
	"provision/conn":        {},
	"provision/cost":        {},
	"provision/crash":       {},
	"provision/keypolicy":   {},
	"provision/names":       {},
	"provision/reach":       {},
	"provision/secret":      {},
	"provision/freetier":    {},
	"provision/prefect":     {"provision/conn"},
	"templates":             {"provision/keypolicy", "provision/secret"},
	"provision/view":        {"provision", "provision/columns", "provision/cost", "provision/crash"},
	"provision/spec":        {"provision/columns", "provision/names", "provision/prefect", "provision/reach", "provision/secret"},
	"provision/resource":    {"provision", "provision/awserr", "provision/conn", "provision/cost", "provision/crash", "provision/freetier", "provision/keypolicy", "provision/names", "provision/prefect", "provision/reach", "provision/secret"},
	"provision/lease":       {"provision", "provision/awserr", "provision/crash", "provision/resource"},
	"provision/inventory":   {"provision/cost", "provision/crash", "provision/resource"},
	"provision/permissions": {"provision", "provision/resource"},
	"provision/hello":       {"provision/awserr", "provision/names", "provision/prefect", "provision/resource"},
	"provision/stack": {"provision", "provision/awserr", "provision/cost", "provision/freetier", "provision/hello", "provision/keypolicy", "provision/lease", "provision/names", "provision/permissions",
		"provision/prefect", "provision/reach", "provision/resource", "provision/secret", "provision/spec", "templates"},
	"provision/doctor": {"provision", "provision/awserr", "provision/cost", "provision/crash", "provision/freetier", "provision/lease", "provision/permissions", "provision/prefect",
		"provision/reach", "provision/resource", "provision/spec", "provision/stack"},
	"cmd/flowbed": {"provision", "provision/awserr", "provision/columns", "provision/conn", "provision/cost", "provision/crash", "provision/doctor", "provision/hello", "provision/inventory", "provision/lease",
		"provision/permissions", "provision/prefect", "provision/resource", sandbox, "provision/spec", "provision/stack", "provision/view"},

	"provision/permissions/gendoc": {"provision/permissions", "provision/resource", "provision/spec", "provision/stack"},
	"provision/spec/gendoc":        {},
	"provision/view/gendoc":        {},

	"test/audit":             {"provision/resource"},
	"test/shapes":            {},
	"test/canary":            {"provision/awserr", "provision/freetier", "provision/prefect", "provision/resource"},
	"test/e2e":               {},
	"test/e2e/able":          {"test/e2e/venv"},
	"test/e2e/bench":         {"test/e2e/moto", "test/prefecttest"},
	"test/e2e/fargate":       {sandbox + "/core", "test/e2e/hypervisor", "test/e2e/moto"},
	"test/e2e/faultproxy":    {"test/e2e/moto", "test/faultmatrix"},
	"test/e2e/hypervisor":    {},
	"test/e2e/moto":          {"test/e2e/venv"},
	"test/e2e/prefectserver": {"test/e2e/venv"},
	"test/e2e/venv":          {},
	"test/faultmatrix":       {},
	"test/lifecycle":         {"provision", "provision/awserr", "provision/resource"},
	"test/nobody":            {},
	"test/peers":             {"test/e2e/moto", "test/e2e/prefectserver", "test/e2e/venv", "test/prefecttest"},
	"test/prefecttest":       {sandbox + "/prefectapi"},
	"test/release":           {},
	"test/rooms":             {},
	"test/try":               {sandbox, sandbox + "/core"},
}

// asks says which other services a sandbox service may import, as AWS's services
// depend on each other.
var asks = map[string][]string{
	"ec2": {"iam", "kms"}, "ecr": {"kms"}, "ecs": {"ec2", "events", "iam"}, "events": {"sqs"}, "kms": {"iam"}, "logs": {"kms"},
	"s3": {"iam", "kms"}, "sqs": {"iam", "kms"}, "ssm": {"ec2", "iam", "kms", "machine"}, "machine": {"ec2", "iam", "prefectapi"},
	"tagging": {"logs"}, "fargate": {"ec2", "ecr", "ecs", "iam", "machine", "prefectapi"},
}

// sandboxRooms returns what the rooms of the sandbox may import. The services build
// on core, and only the sandbox itself imports all of them. None of them imports
// flowbed's own kinds and permissions, because the sandbox is there to check them.
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
	// An instance installs Prefect, and needs to know the releases.
	may[sandbox+"/machine"] = append(may[sandbox+"/machine"], "provision/prefect")
	// The SDK's client for this service is flowbed's own, and so are its types.
	may[sandbox+"/freetier"] = append(may[sandbox+"/freetier"], "provision/freetier")
	for name := range may {
		if name != sandbox+"/genservices" {
			may[sandbox] = append(may[sandbox], name)
		}
	}
	return may
}

// room is a package: what its non-test files import, and what it is for.
type room struct {
	imports  map[string]bool
	synopsis string
}

// rooms returns the packages of the module by folder.
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

// TestRooms checks imports, because rooms that depend on each other are hard to
// separate again.
func TestRooms(t *testing.T) {
	all := rooms(t)
	may := sandboxRooms(all)
	maps.Copy(may, mayImport)
	for name := range may {
		if all[name] == nil {
			t.Errorf("room %s does not exist: remove it from mayImport", name)
		}
	}
	for name, r := range all {
		allowed, ok := may[name]
		if !ok {
			t.Errorf("%s is a new room: add it to mayImport", name)
			continue
		}
		for p := range r.imports {
			if other, ours := strings.CutPrefix(p, module); ours && !slices.Contains(allowed, other) {
				t.Errorf("%s imports %s, but may import only %v", name, other, allowed)
			}
		}
	}
	for p := range all["provision"].imports {
		if strings.Contains(p, "/aws/") || strings.Contains(p, "/hcl/") {
			t.Errorf("the engine imports %s, but may import neither AWS's SDK nor HCL", p)
		}
	}
}

// TestNoTemplates checks that the program does not import text/template, which makes
// the linker keep every method of the SDK clients.
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

// TestErrorsAreDeclared checks that a room that imports awserr also imports the
// package resource, where each kind declares what its errors mean. Without it,
// awserr does not know those errors. The sandbox uses awserr only for action names.
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
