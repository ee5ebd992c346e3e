package rooms_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// listed is what `go list` says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// TestReplies checks that nobody follows a pointer in a reply of AWS: any of them can be nil
// if a proxy or an outage garbles the reply, also those that AWS promises. deref, or
// aws.ToString and the like, return the zero value then. The sandbox writes such values
// itself, and does not count.
func TestReplies(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", "./cmd/flowbed")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	var ours []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath, module) && !strings.HasPrefix(p.ImportPath, module+sandbox) {
			ours = append(ours, p)
		}
	}
	fset := token.NewFileSet()
	from := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	seen := 0
	for _, p := range ours {
		seen += checkReplies(t, fset, from, p)
	}
	if len(ours) < 15 || seen < 200 {
		t.Errorf("looked at %d packages, and at %d fields and methods of AWS's types: the test does not see what it should", len(ours), seen)
	}
}

// checkReplies checks one package, and returns how many fields and methods of AWS's types it has seen.
func checkReplies(t *testing.T, fset *token.FileSet, from types.Importer, p listed) (seen int) {
	t.Helper()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	if _, err := (&types.Config{Importer: from}).Check(p.ImportPath, fset, files, info); err != nil {
		t.Fatal(err)
	}
	// fieldOfAWS reports whether an expression is a pointer in a struct of AWS's.
	fieldOfAWS := func(e ast.Expr) bool {
		s, ok := ast.Unparen(e).(*ast.SelectorExpr)
		if !ok || info.Selections[s] == nil || info.Selections[s].Kind() != types.FieldVal {
			return false
		}
		of := info.Selections[s].Obj().Pkg()
		if of == nil || !strings.Contains(of.Path(), "aws-sdk-go-v2/service/") {
			return false
		}
		if owner, ok := types.Unalias(dereferenced(info.Selections[s].Recv())).(*types.Named); ok && strings.HasSuffix(owner.Obj().Name(), "Input") {
			return false // a request, which we write ourselves
		}
		_, pointer := info.Types[e].Type.Underlying().(*types.Pointer)
		return pointer
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			var of ast.Expr
			switch n := n.(type) {
			case *ast.SelectorExpr:
				of = n.X
				if s := info.Selections[n]; s != nil && s.Obj().Pkg() != nil && strings.Contains(s.Obj().Pkg().Path(), "aws-sdk-go-v2/service/") {
					seen++
				}
			case *ast.StarExpr:
				of = n.X
			default:
				return true
			}
			if fieldOfAWS(of) {
				t.Errorf("%s: follows a pointer in a reply, which may be nil: use deref", fset.Position(n.Pos()))
			}
			return true
		})
	}
	return seen
}

func dereferenced(t types.Type) types.Type {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		return p.Elem()
	}
	return t
}
