package spec

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// hostile are files that make the parser or the evaluation call the parser, or the evaluation, itself again and again, or
// that make much out of little.
func hostile() map[string]string {
	const n = 200_000
	value := func(x string) string { return "environment \"dev\" {\n tags = { a = " + x + " }\n}" }
	both := func(open, close string, n int) string {
		return strings.Repeat(open, n) + `"x"` + strings.Repeat(close, n)
	}
	loops := "1"
	for i := range 5 {
		loops = fmt.Sprintf("[for x%d in range(1000) : %s]", i, loops)
	}
	doubled := "locals {\n l0 = \"xxxxxxxxxxxxxxxx\"\n"
	for i := range 60 {
		doubled += fmt.Sprintf(" l%d = \"${local.l%d}${local.l%d}\"\n", i+1, i, i)
	}
	chain := "locals {\n l0 = 1\n"
	for i := range 7_000 {
		chain += fmt.Sprintf(" l%d = local.l%d\n", i+1, i)
	}
	deepChain := "locals {\n l0 = 1\n"
	for i := range 55 {
		deepChain += fmt.Sprintf(" l%d = %slocal.l%d%s\n", i+1, strings.Repeat("[", 400), i, strings.Repeat("]", 400))
	}
	tries := "1"
	for range 60 {
		tries = "try(" + tries + ".x, 1)"
	}
	squares := `"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`
	for range 8 {
		squares = fmt.Sprintf(`replace(%s, "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")`, squares)
	}
	many := func(line string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	return map[string]string{
		"parentheses":        value(both("(", ")", n)),
		"brackets":           value(both("[", "]", n)),
		"braces":             value(both("{ a = ", "}", n/2)),
		"blocks":             strings.Repeat("a {\n", n/2) + strings.Repeat("}\n", n/2),
		"unclosed blocks":    strings.Repeat("a {", n),
		"minus":              value(strings.Repeat("-", n) + "1"),
		"not":                value(strings.Repeat("!", n) + "true"),
		"minus with lines":   value("(" + strings.Repeat("-\n", n) + "1)"),
		"minus in a loop":    value("{ for k, v in {} : k => " + strings.Repeat("-\n", n) + "1 }"),
		"sum":                value("1" + strings.Repeat(" + 1", n/2)),
		"conditions":         value(strings.Repeat("true ? 1 : ", n/4) + "1"),
		"conditions inside":  value(strings.Repeat("true ? ", n/4) + "1" + strings.Repeat(" : 1", n/4)),
		"templates":          value(both(`"${`, `}"`, n)),
		"directives":         value(`"` + strings.Repeat("%{if true}", n/4) + strings.Repeat("%{endif}", n/4) + `"`),
		"heredocs":           value(strings.Repeat("<<EOT\n${", 20_000)),
		"indexes":            value("{}" + strings.Repeat("[{}[0]]", n/8)),
		"traversals":         value("a" + strings.Repeat("[0]", n/4)),
		"splats":             value("[]" + strings.Repeat("[*]", n/4)),
		"splats of lists":    value("range(1000)" + strings.Repeat("[*][*]", 400)),
		"calls":              value(both("trim(", ")", n/2)),
		"minus and brackets": value(both(strings.Repeat("-", 20)+"(", ")", 400)),
		"garbage":            strings.Repeat("=\n", 20_000),
		"attributes":         many("a%d = 1\n", 12_000),
		"environments":       many("environment \"e%d\" {}\n", 7_000),
		"the same names":     strings.Repeat("environment \"dev\" {}\n", 7_000),
		"variables":          many("variable \"v%d\" {}\n", 7_000) + value("var.v"),
		"unknown variables":  many("variable \"v%d\" {}\n", 4_000) + "environment \"dev\" {\n tags = {\n" + many("  a%[1]d = var.w%[1]d\n", 2_000) + "}\n}",
		"loops":              value("join(\",\", flatten(" + loops + "))"),
		"loops of nothing":   value("[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : [for d in range(1000) : null]]]]"),
		"loops with try":     value("try([for a in range(1000) : try([for b in range(1000) : try([for c in range(1000) : [for d in range(1000) : d]], 1)], 2)], 3)"),
		"directive for":      value(`"%{for a in range(1000)}%{for b in range(1000)}%{for c in range(1000)}xxxxxxxxxxxxxxx%{endfor}%{endfor}%{endfor}"`),
		"doubled":            doubled + "}\nenvironment \"dev\" {\n tags = { a = local.l60 }\n}",
		"doubled by a loop":  "locals {\n a = join(\"\", [for x in range(1000) : \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"])\n}\n" + value(`"`+strings.Repeat("${local.a}", 20_000)+`"`),
		"chain":              chain + "}\nenvironment \"dev\" {\n tags = { a = local.l7000 }\n}",
		"deep chain":         deepChain + "}\nenvironment \"dev\" {\n tags = { a = local.l55 }\n}",
		"tries":              value(tries),
		"squares":            value(squares),
		"a width":            value(`format("%999999999d", 1)`),
		"a precision":        value(`format("%.999999999f", 1)`),
		"widths":             value(`format("` + strings.Repeat("%9999d", 50_000) + `", 1)`),
		"an indent":          value(`indent(999999999, "a\nb")`),
		"a number":           value("1e999999999"),
		"a number as text":   value(`tostring(tonumber("1e99999999"))`),
		"a power":            value("1e1000" + strings.Repeat(" * 1e1000", 4000)),
		"a small number":     value("1e-600000000"),
		"a modulo":           value(`tonumber("1e600000000") % 7`),
		"distinct":           "locals {\n a = flatten([for x in range(250) : [for y in range(250) : x * 1000 + y]])\n}\n" + value("length(distinct(local.a))"),
		"a pattern":          value(`regexall("` + strings.Repeat("(a|b)*", 10_000) + `", "` + strings.Repeat("ab", 200_000) + `")`),
		"json":               value(`jsondecode("` + strings.Repeat("[", n) + strings.Repeat("]", n) + `")`),
		"lists of secrets":   "variable \"s\" {\n sensitive = true\n default = <<EOT\n" + many("line %d\n", 50_000) + "EOT\n}\nenvironment \"dev\" {\n region = 1\n}",
		"a long name":        value("var." + strings.Repeat("a", 1<<19)),
		"a long attribute":   "environment \"dev\" {\n " + strings.Repeat("a", 1<<19) + " = 1\n}",
		"a long line":        "environment \"dev\" {\n region = \"" + strings.Repeat("a", 1<<19) + "\"\n}",
	}
}

// TestHostile: no file takes the program down, and none takes long, much memory, or pages of
// messages. What takes long also allocates, and unlike a clock that does not depend on the
// machine.
func TestHostile(t *testing.T) {
	for name, src := range hostile() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.hcl")
			if err := os.WriteFile(path, []byte(src), 0o600); err != nil || len(src) > maxFile {
				t.Fatalf("%v, %d bytes", err, len(src))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Validate(path, Options{Environ: noEnviron})
			runtime.ReadMemStats(&after)
			if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 1024 {
				t.Errorf("allocates %d MiB", allocated)
			}
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("have %v, want an *Error", err)
			}
			var b bytes.Buffer
			if err := e.WriteTo(&b, 80, false); err != nil || b.Len() > 1<<15 || len(e.Error()) > 1<<15 {
				t.Errorf("%v; the messages have %d and %d bytes", err, b.Len(), len(e.Error()))
			}
			if !strings.Contains(e.Error(), path+":") {
				t.Errorf("no line: %s", e.Error())
			}
		})
	}
}
