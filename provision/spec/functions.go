package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// mark is the origin of a value. Marks pass through all functions, so the attribute
// that receives a value knows where the value came from.
type mark string

const (
	sensitive mark = "sensitive" // a sensitive variable
	outside   mark = "outside"   // an environment variable or a file: perhaps a secret
)

// missing is the error of env and file when the variable or the file does not exist.
type missing struct{ summary, detail, name string }

// plain reports whether the name looks like one, and not like a secret in its place: an
// environment variable has capitals, and a path has a dot, a slash or a ~.
func (m missing) plain() bool { return plainName.matches(m.name) }

var plainName = compile(`^$|^[A-Z][A-Z0-9_]*$|^[^:@]*[./~][^:@]*$`)

func (m missing) Error() string { return m.detail }

// functions builds the table of functions on first use, so that commands that read
// no file do not pay for it.
type functions func() map[string]function.Function

func newFunctions(o Options, dir string, m *meter) functions {
	return sync.OnceValue(func() map[string]function.Function {
		t := standard()
		t["env"] = envFunction(o)
		t["file"] = fileFunction(o, dir)
		for name, f := range t {
			t[name] = m.bounded(name, f)
		}
		return t
	})
}

func envFunction(o Options) function.Function {
	return oneText("name", func(name string) (string, error) {
		v, ok := o.Environ(name)
		if !ok {
			return "", missing{"Environment variable not set", fmt.Sprintf(
				"env(%q): the environment variable %s is not set. → set it, for example: export %s=…", name, name, name), name}
		}
		return v, nil
	}, o.Destroy)
}

func fileFunction(o Options, dir string) function.Function {
	return oneText("path", func(path string) (string, error) {
		full, err := expand(path, dir, o.Home)
		if err != nil {
			return "", missing{"Missing file", err.Error(), path}
		}
		o.Reading(full)
		b, err := readFile(full)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", missing{"Missing file", fmt.Sprintf("file(%q): %s does not exist. → "+
				"create it, or correct the path; paths are relative to the directory of the config file", path, full), path}
		case err != nil:
			return "", missing{"Unreadable file", fmt.Sprintf("file(%q): %v.", path, err), path}
		case !utf8.Valid(b):
			return "", missing{"Unreadable file", fmt.Sprintf("file(%q): %s is not UTF-8 text.", path, full), path}
		}
		return string(b), nil
	}, o.Destroy)
}

func expand(path, dir, home string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || rest[0] == '/') {
		if home == "" {
			return "", fmt.Errorf("file(%q): the home directory for ~ is unknown. → set HOME, or write the full path", path)
		}
		return filepath.Join(home, rest), nil
	}
	if filepath.IsAbs(path) {
		return path, nil
	}
	return filepath.Join(dir, path), nil
}

// oneText is an HCL function that takes one string and returns one from outside the
// file. For down, an error becomes an unknown value.
func oneText(param string, f func(string) (string, error), destroy bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: param, Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil && destroy {
				return cty.UnknownVal(cty.String), nil
			}
			if err != nil {
				return cty.NilVal, err
			}
			return cty.StringVal(s).Mark(outside), nil
		},
	})
}

// standard returns cty's functions under Terraform's names.
func standard() map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "can": tryfunc.CanFunc, "ceil": stdlib.CeilFunc,
		"chomp": stdlib.ChompFunc, "chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc,
		"coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc,
		"contains": stdlib.ContainsFunc, "csvdecode": stdlib.CSVDecodeFunc, "distinct": stdlib.DistinctFunc,
		"element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc, "floor": stdlib.FloorFunc,
		"format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc, "indent": stdlib.IndentFunc,
		"join": stdlib.JoinFunc, "jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
		"keys": stdlib.KeysFunc, "length": lengthFunction(), "lookup": stdlib.LookupFunc,
		"lower": stdlib.LowerFunc, "max": stdlib.MaxFunc, "merge": stdlib.MergeFunc, "min": stdlib.MinFunc,
		"parseint": stdlib.ParseIntFunc, "range": stdlib.RangeFunc, "regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc,
		"replace": stdlib.ReplaceFunc, "reverse": stdlib.ReverseListFunc, "setunion": stdlib.SetUnionFunc,
		"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "split": stdlib.SplitFunc,
		"strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc,
		"tobool": stdlib.MakeToFunc(cty.Bool), "tonumber": stdlib.MakeToFunc(cty.Number),
		"tostring": stdlib.MakeToFunc(cty.String), "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "try": tryfunc.TryFunc,
		"upper": stdlib.UpperFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
	}
}

// lengthFunction counts the elements of a collection. Like Terraform's, and unlike
// cty's, it also counts the characters of a string.
func lengthFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch args[0].Type() {
			case cty.DynamicPseudoType:
				return cty.UnknownVal(cty.Number), nil
			case cty.String:
				return stdlib.Strlen(args[0])
			}
			return stdlib.Length(args[0])
		},
	})
}
