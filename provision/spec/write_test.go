package spec

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func rendered(t *testing.T, src string, width int, color bool) string {
	t.Helper()
	_, err := load(src, Options{})
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("have %v", err)
	}
	var b bytes.Buffer
	if err := e.WriteTo(&b, width, color); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWrite covers tabs, line ends of Windows, wide text and colour.
func TestWrite(t *testing.T) {
	const src = "environment \"dev\" {\r\n\tbucket { name = \"Größe\" }\r\n}\r\n"
	want := `error: invalid bucket name

  on config.hcl line 2, in environment "dev":
     2: ⇥bucket { name = "Größe" }
        ⇥                ^^^^^^^

"Größe" is not a valid bucket name.
  → use 3 to 63 lowercase letters,
    digits, hyphens and dots, with a
    letter or a digit at both ends

`
	if diff := cmp.Diff(strings.ReplaceAll(want, "⇥", "\t"), rendered(t, src, 36, false)); diff != "" {
		t.Error(diff)
	}
	colored := rendered(t, src, 0, true)
	for _, part := range []string{"\x1b[1;31merror:\x1b[0m invalid", "\x1b[1;31m^^^^^^^\x1b[0m", "bucket name.\n  → use 3 to 63 lowercase"} {
		if !strings.Contains(colored, part) {
			t.Errorf("no %q in %q", part, colored)
		}
	}
}

// TestWriteNoEscapes: what stands in a file cannot move the cursor.
func TestWriteNoEscapes(t *testing.T) {
	have := rendered(t, "environment \"dev\" {\n region = \"\x1b[2Jus\x07\" \n}\n", 0, false)
	if strings.ContainsAny(have, "\x1b\x07") {
		t.Errorf("have %q", have)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteFails(t *testing.T) {
	_, err := load("", Options{})
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("have %v", err)
	}
	if err := e.WriteTo(broken{}, 80, false); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("have %v", err)
	}
}

func TestBadRegion(t *testing.T) {
	_, err := Load(example, Options{Region: "Virginia"})
	_, bare := Bare("dev", Options{Region: "Virginia"})
	for _, err := range []error{err, bare} {
		if err == nil || !strings.Contains(err.Error(), `--region "Virginia"`) {
			t.Errorf("have %v", err)
		}
	}
}
