package able

import (
	"fmt"
	"os"
	"testing"
)

// recorder is a testing.TB that records how a test ends.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()               {}
func (r *recorder) Skip(args ...any)      { r.end("skipped", fmt.Sprint(args...)) }
func (r *recorder) Fatal(args ...any)     { r.end("failed", fmt.Sprint(args...)) }
func (r *recorder) Skipf(string, ...any)  { r.end("skipped", "") }
func (r *recorder) end(how, what string)  { r.ended = how; panic(what) }
func (r *recorder) after(f func()) string { defer func() { _ = recover() }(); f(); return "ran" }

// ending runs f as a test and returns how it ends.
func ending(f func(testing.TB)) string {
	r := &recorder{ended: "ran"}
	r.after(func() { f(r) })
	return r.ended
}

// TestEndings checks where a test is skipped and where it fails.
func TestEndings(t *testing.T) {
	without := func(t testing.TB) { Without(t, "root") }
	tool := func(t testing.TB) { Tool(t, "parliament") }
	for _, c := range []struct {
		level, ci, venv string
		f               func(testing.TB)
		want            string
	}{
		{"check", "", "", Slow, "skipped"},
		{"", "true", "", Slow, "skipped"},
		{"all", "", "", Slow, "ran"},
		{"test", "", "", without, "skipped"},
		{"test", "true", "", without, "failed"},
		{"all", "", "", without, "failed"},
		{"check", "true", "", tool, "skipped"},
		{"", "", "", tool, "failed"}, // this package does not call Main
		{"all", "", "", tool, "failed"},
		{"", "", t.TempDir(), tool, "ran"},
	} {
		t.Setenv(variable, c.level)
		t.Setenv("CI", c.ci)
		t.Setenv("FLOWBED_TEST_VENV", "/nowhere")
		if c.venv != "" {
			t.Setenv("FLOWBED_TEST_VENV", c.venv)
			if err := os.MkdirAll(c.venv+"/bin/python", 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if have := ending(c.f); have != c.want {
			t.Errorf("%+v: have %s, want %s", c, have, c.want)
		}
	}
}

func TestMisspelledLevel(t *testing.T) {
	t.Setenv(variable, "whole")
	defer func() {
		if recover() == nil {
			t.Error("a misspelled level did not panic")
		}
	}()
	level()
}
