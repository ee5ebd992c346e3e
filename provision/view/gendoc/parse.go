package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// structure is one struct, and what its comment says.
type structure struct {
	doc    string
	fields []field
}

type field struct {
	name     string // in JSON; empty if the field is an embedded struct
	goType   string
	doc      string
	schema   string // the tag
	optional bool
}

// parse reads the structs of a folder's Go files by their names.
func parse(dir string) (map[string]structure, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	structs := map[string]structure{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if t, ok := n.(*ast.TypeSpec); ok {
				if st, ok := t.Type.(*ast.StructType); ok {
					structs[t.Name.Name] = structure{description(t.Name.Name, t.Doc.Text()), fieldsOf(st)}
				}
			}
			return true
		})
	}
	return structs, nil
}

// fieldsOf are the fields that JSON has.
func fieldsOf(st *ast.StructType) (list []field) {
	for _, f := range st.Fields.List {
		goType := types.ExprString(f.Type)
		if len(f.Names) == 0 {
			list = append(list, field{goType: goType})
			continue
		}
		if f.Tag == nil {
			continue
		}
		text, err := strconv.Unquote(f.Tag.Value)
		tag := reflect.StructTag(text)
		name, rest, _ := strings.Cut(tag.Get("json"), ",")
		if err != nil || name == "" {
			continue
		}
		list = append(list, field{name: name, goType: goType, doc: sentence(f.Comment.Text()), schema: tag.Get("schema"), optional: rest == "omitempty"})
	}
	return list
}

// description is a comment without the name that it begins with: "jsonStep is one resource"
// becomes "One resource". A reader of the schema knows what it describes.
func description(name, doc string) string {
	rest, ok := strings.CutPrefix(strings.Join(strings.Fields(doc), " "), name+" ")
	if !ok {
		return ""
	}
	return sentence(strings.TrimPrefix(rest, "is "))
}

func sentence(s string) string {
	s = strings.TrimSuffix(strings.Join(strings.Fields(s), " "), ".")
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
