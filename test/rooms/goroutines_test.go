package rooms_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// bare are the files that may start goroutines that do not recover, because what runs in
// them cannot panic: they read a line, or wait for a signal.
var bare = map[string]bool{"cmd/flowbed/confirm.go": true, "cmd/flowbed/main.go": true}

// TestGoroutines checks that a panic in a goroutine does not end the program: all of them
// are started with a crash.Group, or call crash.Do.
func TestGoroutines(t *testing.T) {
	for _, top := range []string{"cmd", "provision"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
				return err
			}
			name, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			if bare[name] || strings.HasPrefix(name, "provision/crash/") {
				return nil
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if risky(n) {
					t.Errorf("%s: a panic in this goroutine would end the program: use crash.Group or crash.Do", fset.Position(n.Pos()))
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// risky reports whether a node starts goroutines that do not recover.
func risky(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return !mentions(n, "crash", "Do")
	case *ast.SelectorExpr: // a type, or a constructor
		return mentions(n, "sync", "WaitGroup") || mentions(n, "errgroup", "Group")
	case *ast.FuncDecl:
		return mentions(n, "errgroup", "WithContext") && !mentions(n, "crash", "Do")
	}
	return false
}

// mentions reports whether a node contains the name of a package's member.
func mentions(n ast.Node, pkg, name string) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			x, ok := s.X.(*ast.Ident)
			found = found || ok && x.Name == pkg && s.Sel.Name == name
		}
		return !found
	})
	return found
}

// TestRisky: the check finds what it should.
func TestRisky(t *testing.T) {
	for code, want := range map[string]bool{
		"go f()": true, "go func() { crash.Do(f) }()": false, "var wg sync.WaitGroup": true, "var wg crash.Group": false,
		"g, _ := errgroup.WithContext(ctx)": true, "g, _ := errgroup.WithContext(ctx); g.Go(func() error { return crash.Do(f) })": false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nfunc x() {\n"+code+"\n}", 0)
		if err != nil {
			t.Fatal(err)
		}
		have := false
		ast.Inspect(f, func(n ast.Node) bool { have = have || risky(n); return true })
		if have != want {
			t.Errorf("%s: risky is %t", code, have)
		}
	}
}
