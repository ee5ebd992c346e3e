package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// format is the version of the file; a file of another one is refused.
const format = 1

// file is what Save writes.
type file struct {
	Comment string    `json:"comment"`
	Format  int       `json:"format"`
	Account *database `json:"account"`
}

const comment = "An AWS account that exists only here. Delete this file to start with an empty one. It holds no secret."

// Load reads an account that Save has written. If there is no file, it is a new
// account. The values of its secrets are not in the file: see Account.Secrets.
func Load(path string) (*Account, error) {
	a := New()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read sandbox: %w", err)
	}
	f := file{Account: a.db}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("read sandbox %s: %w; delete the file to start with an empty account", path, err)
	}
	if f.Format != format || f.Account == nil {
		return nil, fmt.Errorf("read sandbox %s: it was not written by this version; delete the file to start with an empty account", path)
	}
	a.db = f.Account
	return a, nil
}

// Save writes the account to a file that only its owner can read, unless it has
// not changed since it was loaded or saved. The file is replaced as a whole: a
// run that is killed leaves the old one or the new one.
func (a *Account) Save(path string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.save(path)
}

func (a *Account) save(path string) error {
	if !a.dirty {
		return nil
	}
	for _, prepare := range beforeSaving {
		if err := prepare(a.request("")); err != nil {
			return fmt.Errorf("save sandbox: %w", err)
		}
	}
	b, err := json.MarshalIndent(file{comment, format, a.db}, "", " ")
	if err != nil {
		return fmt.Errorf("save sandbox: %w", err)
	}
	if err := replace(path, append(b, '\n')); err != nil {
		return fmt.Errorf("save sandbox: %w", err)
	}
	a.dirty = false
	return nil
}

// beforeSaving is what services do before the account is saved.
var beforeSaving []func(*Request) error

// BeforeSaving registers what a service does to its part before each saving.
func BeforeSaving(prepare func(*Request) error) { beforeSaving = append(beforeSaving, prepare) }

func replace(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // made with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // of no effect after the renaming
	if _, err := tmp.Write(content); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
