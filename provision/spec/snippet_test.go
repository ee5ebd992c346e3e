package spec

import (
	"errors"
	"strings"
	"testing"
)

// TestCarets: the carets are below what is wrong, also after and below wide characters and
// tabs.
func TestCarets(t *testing.T) {
	for name, c := range map[string]struct{ line, carets string }{
		"plain":     {`environment "Dev" {}`, `            ^^^^^`},
		"wide":      {`environment "流れ" {}`, `            ^^^^^^`},
		"emoji":     {`environment "🇩🇪x" {}`, `            ^^^^^`},
		"after one": {`/* 流れ */ environment "Dev" {}`, `                       ^^^^^`},
		"after tab": {"/*\t流 */ environment \"Dev\" {}", "  \t" + `                  ^^^^^`},
	} {
		var b strings.Builder
		_, err := load(c.line, Options{})
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Fatalf("%s: %v", name, err)
		}
		if err := e.WriteTo(&b, 80, false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "     1: "+c.line+"\n        "+c.carets+"\n") {
			t.Errorf("%s:\n%s", name, &b)
		}
	}
}
