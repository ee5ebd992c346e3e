package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// block is one struct of the language.
type block struct {
	doc    string
	fields []field
}

type field struct {
	goName, goType    string
	name, doc         string
	block, label, opt bool
}

// parse reads the structs of a folder's Go files by their names.
func parse(dir string) (map[string]block, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	structs := map[string]block{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			if err := parseDecl(decl, structs); err != nil {
				return nil, err
			}
		}
	}
	return structs, nil
}

// parseDecl reads the structs of a declaration that are a part of the language: the
// fields of those have hcl tags.
func parseDecl(decl ast.Decl, structs map[string]block) error {
	gen, ok := decl.(*ast.GenDecl)
	if !ok || gen.Tok != token.TYPE {
		return nil
	}
	for _, spec := range gen.Specs {
		t := spec.(*ast.TypeSpec)
		st, ok := t.Type.(*ast.StructType)
		if !ok || len(st.Fields.List) == 0 || st.Fields.List[0].Tag == nil {
			continue
		}
		b := block{doc: prose(t.Name.Name, gen.Doc.Text(), "This block")}
		for _, f := range st.Fields.List {
			one, err := parseField(f)
			if err != nil {
				return fmt.Errorf("%s.%s: %w", t.Name.Name, f.Names[0].Name, err)
			}
			b.fields = append(b.fields, one)
		}
		structs[t.Name.Name] = b
	}
	return nil
}

func parseField(f *ast.Field) (field, error) {
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return field{}, err
	}
	name, kind, _ := strings.Cut(reflect.StructTag(tag).Get("hcl"), ",")
	one := field{
		goName: f.Names[0].Name, goType: strings.TrimLeft(types.ExprString(f.Type), "*[]"), name: name,
		block: kind == "block", label: kind == "label", opt: kind == "optional",
	}
	if !one.block {
		one.goType = types.ExprString(f.Type)
	}
	one.doc = prose(one.goName, f.Doc.Text(), "")
	if one.doc == "" && !one.block && !one.label {
		return field{}, fmt.Errorf("has no comment")
	}
	return one, nil
}

// A Go comment begins with the Go name. A reader of the reference already knows the
// block or the attribute, so prose keeps only the text after the name.
var verb = regexp.MustCompile(`^(is|are) `)

func prose(name, doc, subject string) string {
	doc = strings.Join(strings.Fields(doc), " ")
	rest, ok := strings.CutPrefix(doc, name+" ")
	if !ok {
		return doc
	}
	if subject != "" {
		return subject + " " + rest
	}
	rest = verb.ReplaceAllString(rest, "")
	return title(rest)
}

// brief is the first sentence, for the table of contents.
func (b block) brief() string {
	s, _, _ := strings.Cut(strings.TrimPrefix(b.doc, "This block "), ". ")
	s, _, _ = strings.Cut(s, ": ")
	s = verb.ReplaceAllString(strings.TrimSuffix(s, "."), "")
	return ": " + s
}

// split separates the default from the rest of the comment.
func (f field) split() (meaning, fallback string) {
	meaning, rest, ok := strings.Cut(f.doc, "Default: ")
	meaning = cell(meaning)
	if !ok {
		if f.opt {
			return meaning, "none"
		}
		return meaning, "**required**"
	}
	fallback, more := rest, ""
	if i := strings.Index(rest, ". "); i >= 0 {
		fallback, more = rest[:i], rest[i+2:]
	}
	return strings.TrimSpace(meaning + " " + cell(more)), cell(strings.TrimSuffix(fallback, "."))
}

// value matches quoted values, which the page shows as code.
var (
	value    = regexp.MustCompile(`("[^" ]+")`)
	brackets = strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;")
)

func cell(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(strings.TrimSpace(s), "`") {
		if i%2 == 1 {
			b.WriteString("`" + strings.ReplaceAll(part, "|", `\|`) + "`")
			continue
		}
		b.WriteString(value.ReplaceAllString(brackets.Replace(part), "`$1`"))
	}
	return b.String()
}

func (f field) kind() string {
	switch f.goType {
	case "string":
		return "string"
	case "bool", "*bool":
		return "bool"
	case "int", "*int":
		return "number"
	case "[]string":
		return "list of strings"
	case "[]int":
		return "list of numbers"
	case "map[string]string":
		return "map of strings"
	}
	return "any"
}
