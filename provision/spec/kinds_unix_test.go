//go:build unix

package spec

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestKindsOfFiles: only regular files of at most 1 MiB are read, whatever they are for. A
// pipe without a writer is not waited for.
func TestKindsOfFiles(t *testing.T) {
	dir, err := os.MkdirTemp("", "kinds") // its name is short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	fifo, socket, large, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket"), filepath.Join(dir, "large"), filepath.Join(dir, "link")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.WriteFile(large, []byte(strings.Repeat("#", maxFile+1)), 0o600), os.Symlink(fifo, link)); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "config.hcl")
	if err := os.WriteFile(good, []byte(`environment "dev" {}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		fifo: "is a pipe", link: "is a pipe", socket: "is a socket", "/dev/zero": "is a device", dir: "is a directory", large: "larger than 1 MiB",
	} {
		_, asConfig := Load(path, Options{Environ: noEnviron})
		_, asVars := Load(good, Options{Environ: noEnviron, VarFiles: []string{path}})
		_, asValue := load(`environment "dev" { tags = { a = file("`+path+`") } }`, Options{Environ: noEnviron})
		for name, err := range map[string]error{"--config": asConfig, "--var-file": asVars, "file": asValue} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: have %v, want %q", name, path, err, want)
			}
		}
		if DeclaresVariable(path, "a") {
			t.Errorf("%s declares a variable", path)
		}
	}
}
