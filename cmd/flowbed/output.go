package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// output is a file that a command writes for the user when it ends. The content goes to a
// temporary file in the same directory, which is then renamed: whatever happens, the path
// has the old content or the new one, and all of it.
type output struct {
	path   string      // without the symbolic links that lead to the file
	old    fs.FileInfo // of the file that is replaced; nil if there is none
	stream *os.File    // for what cannot be replaced, such as a pipe; nil otherwise

	private bool // only the user may read the file, also if it replaces one that others may read
}

// newOutput checks that the file can be written, and changes nothing. reads are the files
// that the command reads: it does not overwrite them.
func newOutput(path string, reads []string) (*output, error) {
	for _, r := range reads {
		if samePath(path, r) {
			return nil, &hinted{fmt.Errorf("%s is a file that flowbed reads", path), "give the name of another file"}
		}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newFile(path, nil)
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &hinted{fmt.Errorf("%s is a directory", path), "give the name of a file in it"}
	}
	for _, f := range []*os.File{os.Stdout, os.Stderr} { // /dev/stdout
		if own, err := f.Stat(); err == nil && os.SameFile(own, info) {
			return &output{path: path, stream: f}, nil
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe, or a device
		return &output{path: path, stream: f}, nil
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return newFile(path, info)
}

// newFile checks that a file can be created beside the one that is to be written.
func newFile(path string, old fs.FileInfo) (*output, error) {
	path, err := followLinks(path)
	if err != nil {
		return nil, err
	}
	o := &output{path: path, old: old}
	f, err := o.temporary()
	if err != nil {
		return nil, &hinted{fmt.Errorf("create a file in %s: %w", filepath.Dir(path), failure(err)),
			"create the directory, or choose one in which you may create files"}
	}
	return o, errors.Join(f.Close(), os.Remove(f.Name()))
}

// failure is an error without the name of the temporary file, which tells nobody anything.
func failure(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// samePath reports whether two paths are the same file, or will be.
func samePath(a, b string) bool {
	one, errOne := os.Stat(a)
	two, errTwo := os.Stat(b)
	if errOne == nil && errTwo == nil {
		return os.SameFile(one, two)
	}
	one1, errOne := filepath.Abs(a)
	two1, errTwo := filepath.Abs(b)
	return errOne == nil && errTwo == nil && one1 == two1
}

const maxLinks = 40 // as Linux has it

// followLinks follows the symbolic links at the end of a path. The file may be missing.
func followLinks(path string) (string, error) {
	for range maxLinks {
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil //nolint:nilerr // it is no link
		}
		if !filepath.IsAbs(to) {
			to = filepath.Dir(path) + string(filepath.Separator) + to // Join would take .. for the parent of a link
		}
		path = to
	}
	return "", fmt.Errorf("%s: too many symbolic links", path)
}

// temporary creates a file beside the output, with the permissions of the file that it
// will replace.
func (o *output) temporary() (*os.File, error) {
	name := filepath.Join(filepath.Dir(o.path), ".flowbed-"+strconv.FormatUint(rand.Uint64(), 36)+".tmp")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, o.perm())
	if err != nil || o.old == nil {
		return f, err
	}
	keepOwner(f, o.old)
	perm := o.old.Mode().Perm()
	if o.private {
		perm = o.perm()
	}
	if err := f.Chmod(perm); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return f, nil
}

// perm are the permissions of a new file.
func (o *output) perm() fs.FileMode {
	if o.private {
		return 0o600
	}
	return 0o644
}

// rename is replaced by tests.
var rename = os.Rename

// write writes the whole content.
func (o *output) write(content []byte) error {
	if o.stream != nil {
		_, err := o.stream.Write(content)
		return err
	}
	temporary, err := o.prepare(content)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary) }() // does nothing after the rename
	if err := rename(temporary, o.path); err == nil {
		return nil
	}
	// A file that is a mount point cannot be replaced, as in a container to which only this
	// file was mounted. It can be written.
	if o.private {
		_ = os.Chmod(o.path, o.perm()) // the file system of a mount may have no permissions
	}
	return os.WriteFile(o.path, content, o.perm())
}

// prepare writes the whole content to a temporary file, and returns its name.
func (o *output) prepare(content []byte) (string, error) {
	f, err := o.temporary()
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync() // otherwise the new name may outlive a power cut, and the content not
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// hardLink is replaced by tests.
var hardLink = os.Link

// create writes a new file, and never over one that exists: not even over one that has
// appeared since newOutput looked. Then the error is fs.ErrExist.
func (o *output) create(content []byte) error {
	temporary, err := o.prepare(content)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary) }()
	if err = hardLink(temporary, o.path); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(o.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) // a file system without links
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return rename(temporary, o.path)
}
