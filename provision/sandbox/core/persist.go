package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// format is the version of the file format. Load rejects other versions.
const format = 1

// file is what Save writes.
type file struct {
	Comment string    `json:"comment"`
	Format  int       `json:"format"`
	Account *database `json:"account"`
}

const comment = "An AWS account that exists only here. Delete this file to start with an empty one. It holds no secret."

// Load reads an account that Save wrote. If there is no file, it returns a new
// account. The file does not contain the values of secrets: see Account.Secrets.
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

// Save writes the account to a file that only its owner can read. It does nothing
// if the account has not changed since the last Load or Save. It replaces the file
// atomically: a killed run leaves either the old file or the new one.
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

// beforeSaving holds the functions that run before each save.
var beforeSaving []func(*Request) error

// BeforeSaving registers a function that prepares a service's part for each save.
func BeforeSaving(prepare func(*Request) error) { beforeSaving = append(beforeSaving, prepare) }

func replace(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // creates it with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // does nothing after the rename
	if _, err := tmp.Write(content); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
