package rooms_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// parseRoom parses the files of a package that are not tests.
func parseRoom(t *testing.T, name string) (files []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, name, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", name, len(paths), err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// optional returns the optional interfaces of the engine, by the name of their only method.
func optional(t *testing.T) map[string]string {
	t.Helper()
	required := []string{"State", "DataSource", "Edge"}
	found := map[string]string{}
	for _, f := range parseRoom(t, "provision") {
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			i, ok := s.Type.(*ast.InterfaceType)
			if ok && ast.IsExported(s.Name.Name) && len(i.Methods.List) == 1 && len(i.Methods.List[0].Names) == 1 && !slices.Contains(required, s.Name.Name) {
				found[i.Methods.List[0].Names[0].Name] = s.Name.Name
			}
			return true
		})
	}
	if len(found) < 9 {
		t.Fatalf("found only %v", found)
	}
	return found
}

// TestEngineKnowsEachOptional: Add looks for every optional interface, and panics if a method
// with its name has another signature.
func TestEngineKnowsEachOptional(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "provision", "optional.go"))
	if err != nil {
		t.Fatal(err)
	}
	for method, name := range optional(t) {
		if !strings.Contains(string(text), `t.MethodByName("`+method+`")`) || !strings.Contains(string(text), ".("+name) {
			t.Errorf("addOptional does not look for %s", name)
		}
	}
}

// TestAssertions: a kind and its state have an assertion for each interface that they
// implement, which the compiler checks. And each exported method of a kind belongs to an
// interface, or somebody calls it: a method that nobody calls is a slip of the name.
func TestAssertions(t *testing.T) {
	methods, asserted := map[string]map[string]bool{}, map[string]map[string]bool{} // by type
	note := func(m map[string]map[string]bool, of, name string) {
		if m[of] == nil {
			m[of] = map[string]bool{}
		}
		m[of][name] = true
	}
	files := parseRoom(t, "provision/resource")
	for _, f := range files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil && d.Name.IsExported() {
					note(methods, nameOf(d.Recv.List[0].Type), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					v, ok := s.(*ast.ValueSpec)
					if ok && len(v.Names) == 1 && v.Names[0].Name == "_" && v.Type != nil && len(v.Values) == 1 {
						note(asserted, nameOf(v.Values[0]), nameOf(v.Type))
					}
				}
			}
		}
	}
	interfaces := optional(t)
	interfaces["Discover"] = "Discoverer"
	kinds := 0
	for of, names := range asserted {
		isState := names["Labelled"] || names["State"]
		if !names["Kind"] && !isState {
			continue
		}
		kinds++
		for method := range methods[of] {
			if want := interfaces[method]; want != "" && !names[want] {
				t.Errorf("%s has a method %s, and no assertion that it is a %s", of, method, want)
			}
		}
	}
	for of, all := range methods {
		if all["Read"] && all["Create"] && all["Changes"] && all["Delete"] && !asserted[of]["Kind"] && !asserted[of]["Resource"] {
			t.Errorf("%s has no assertion that it is a kind", of)
		}
		if all["Label"] && !asserted[of]["Labelled"] {
			t.Errorf("%s has a label, and no assertion that it is Labelled", of)
		}
	}
	if kinds < 15 {
		t.Fatalf("found only %d kinds and states", kinds)
	}
	testCalled(t, methods, asserted, interfaces)
}

// testCalled finds the exported methods of kinds that belong to no interface and that nobody
// calls.
func testCalled(t *testing.T, methods, asserted map[string]map[string]bool, interfaces map[string]string) {
	t.Helper()
	called := map[string]bool{}
	for name := range rooms(t) {
		if strings.HasPrefix(name, "test/") || strings.HasPrefix(name, sandbox) {
			continue
		}
		for _, f := range parseRoom(t, name) {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					called[s.Sel.Name] = true
				}
				return true
			})
		}
	}
	engine := []string{"Read", "Create", "Changes", "Delete", "Permissions"}
	for of := range asserted {
		if !asserted[of]["Kind"] {
			continue
		}
		for _, method := range slices.Sorted(maps.Keys(methods[of])) {
			if !called[method] && interfaces[method] == "" && !slices.Contains(engine, method) {
				t.Errorf("nobody calls the method %s of %s, and no interface has it: is its name misspelled?", method, of)
			}
		}
	}
}

// nameOf is the name of a type, or of the type of a composite literal, without its package
// and its parameters.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return nameOf(e.X)
	case *ast.ParenExpr:
		return nameOf(e.X)
	case *ast.CallExpr: // (*T)(nil)
		return nameOf(e.Fun)
	case *ast.UnaryExpr:
		return nameOf(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr:
		return nameOf(e.X)
	case *ast.IndexListExpr:
		return nameOf(e.X)
	case *ast.CompositeLit:
		return nameOf(e.Type)
	}
	return ""
}
