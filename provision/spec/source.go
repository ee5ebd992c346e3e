package spec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxFile is a limit so that a wrong path (a disk image, or /dev/zero) cannot fill the
// memory.
const maxFile = 1 << 20

// readFile reads a regular file of at most 1 MiB. All files of the user are read with it.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path) // without opening it: that can wait for ever, or change a device
	if err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may be a pipe by now
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // reading cannot lose data
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1)) // the size of a file in /proc is 0
	if err != nil {
		return nil, err
	}
	if len(src) > maxFile {
		return nil, fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return src, nil
}

// regular returns an error that says what a file is, if it is not a regular one.
func regular(path string, info fs.FileInfo) error {
	mode, what := info.Mode(), "not a regular file"
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	}
	return &notRegular{path, what}
}

// notRegular is the error for a path that is something else than a regular file.
type notRegular struct{ path, what string }

func (e *notRegular) Error() string { return fmt.Sprintf("%s is %s, not a file", e.path, e.what) }

// unreadableText says why a file cannot be read, and what to do. name is how the user has
// named it.
func unreadableText(name string, err error, todo string) string {
	why := cause(err).Error()
	if e, ok := errors.AsType[*notRegular](err); ok {
		if why = "it is " + e.what + ", not a file"; e.what == "a pipe" {
			todo = "save it to a file first, and give the name of that file"
		}
	}
	return fmt.Sprintf("%s: %s. → %s", name, why, todo)
}
