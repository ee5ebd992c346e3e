//go:build unix

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// put writes through an output, as a command does.
func put(t *testing.T, path, content string) error {
	t.Helper()
	o, err := newOutput(path, nil)
	if err != nil {
		return err
	}
	return o.write([]byte(content))
}

func mustPut(t *testing.T, path, content string) {
	t.Helper()
	if err := put(t, path, content); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	if have, err := os.ReadFile(path); err != nil || string(have) != want {
		t.Errorf("%s: have %q, %v, want %q", path, have, err, want)
	}
}

// wantFiles checks that a directory has only these files, and nothing temporary.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, f := range list {
		have = append(have, f.Name())
	}
	if strings.Join(have, " ") != strings.Join(want, " ") {
		t.Errorf("have %q, want %q", have, want)
	}
}

func TestOutputReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "receipt.json")
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	mustPut(t, path, "a long first content")
	if have, want := mode(t, path), mode(t, plain); have != want { // as the umask wants it
		t.Errorf("a new file: have %v, want %v", have, want)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	before := stat(t, path)
	mustPut(t, path, "second")
	wantContent(t, path, "second")
	if os.SameFile(before, stat(t, path)) {
		t.Error("the file was written in place")
	}
	if have := mode(t, path); have != 0o640 {
		t.Errorf("a replaced file: have %v, want that of the old one", have)
	}
	wantFiles(t, dir, "plain", "receipt.json")
}

func stat(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func mode(t *testing.T, path string) fs.FileMode { t.Helper(); return stat(t, path).Mode() }

// TestOutputFollowsLinks: the link stays, and the file that it leads to is replaced.
func TestOutputFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, d := range []string{"far/away", "here"} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"one": "two", "two": "here/three", "here/three": "up/../receipt.json", "here/up": "../far/away", "loop": "loop"} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, content := range []string{"new", "again"} {
		mustPut(t, "one", content)
		wantContent(t, "far/receipt.json", content)
		for _, link := range []string{"one", "two", "here/three"} {
			if mode(t, link)&fs.ModeSymlink == 0 {
				t.Errorf("%s is no link any more", link)
			}
		}
	}
	wantFiles(t, "far", "away", "receipt.json")
	if err := put(t, "loop", "x"); err == nil {
		t.Error("a loop of links was written to")
	}
}

// TestOutputIsWhole: whatever fails while the content is written, the old content stays.
func TestOutputIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "receipt.json")
	mustPut(t, path, "old")
	o, err := newOutput(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, "old")
	wantFiles(t, filepath.Dir(path), "receipt.json")
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	small := limit
	small.Cur = 1 << 10 // a longer write fails halfway, as on a full disk
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	err = o.write(make([]byte, 1<<12))
	if back := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); back != nil {
		t.Fatal(back)
	}
	if !errors.Is(err, syscall.EFBIG) {
		t.Errorf("have %v, want that the file is too large", err)
	}
	wantContent(t, path, "old")
	wantFiles(t, filepath.Dir(path), "receipt.json")
}

// TestOutputAtAMountPoint: what cannot be renamed is written in place.
func TestOutputAtAMountPoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "receipt.json")
	mustPut(t, path, "a longer old content")
	before := stat(t, path)
	t.Cleanup(func() { rename = os.Rename })
	rename = func(from, to string) error {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EBUSY}
	}
	mustPut(t, path, "new")
	wantContent(t, path, "new")
	if !os.SameFile(before, stat(t, path)) {
		t.Error("the file was replaced")
	}
	wantFiles(t, filepath.Dir(path), "receipt.json")
}

// TestOutputToAStream: devices and pipes are not replaced.
func TestOutputToAStream(t *testing.T) {
	device := filepath.Join(t.TempDir(), "null")
	if err := os.Symlink(os.DevNull, device); err != nil {
		t.Fatal(err)
	}
	mustPut(t, device, "x")
	if mode(t, os.DevNull)&fs.ModeCharDevice == 0 {
		t.Errorf("%s was replaced", os.DevNull)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		b, err := os.ReadFile(pipe)
		if err != nil {
			t.Error(err)
		}
		read <- string(b)
	}()
	o, err := newOutput(pipe, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(o.write([]byte("through the pipe")), o.stream.Close()); err != nil {
		t.Fatal(err)
	}
	if have := <-read; have != "through the pipe" {
		t.Errorf("have %q", have)
	}
}

// TestOutputCreates: create never replaces a file, also without links, and leaves nothing.
func TestOutputCreates(t *testing.T) {
	for name, links := range map[string]func(string, string) error{"with links": os.Link, "without links": func(string, string) error { return errors.ErrUnsupported }} {
		t.Run(name, func(t *testing.T) {
			hardLink = links
			defer func() { hardLink = os.Link }()
			dir := t.TempDir()
			path := filepath.Join(dir, "config.hcl")
			o, err := newOutput(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := o.create([]byte("first")); err != nil {
				t.Fatal(err)
			}
			if err := o.create([]byte("second")); !errors.Is(err, fs.ErrExist) {
				t.Errorf("have %v, want %v", err, fs.ErrExist)
			}
			wantContent(t, path, "first")
			wantFiles(t, dir, "config.hcl")
		})
	}
}
