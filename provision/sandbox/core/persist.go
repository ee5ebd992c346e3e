package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
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
	a.file = path
	if _, err := a.refresh(path); err != nil {
		return nil, err
	}
	return a, nil
}

// refresh reads the account's file if it is not as this account has last read or written
// it: then another process has written it. It reports whether it has done so.
//
// It compares the whole content, which takes less time than one call of the engine's: a
// file's time and number do not change with every change.
func (a *Account) refresh(path string) (changed bool, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // reading a pipe may never end
		return false, fmt.Errorf("read sandbox %s: it is not a file; delete it to start with an empty account", path)
	}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read sandbox: %w", err)
	}
	if bytes.Equal(b, a.content) && (b == nil) == (a.content == nil) {
		return false, nil
	}
	db, err := decode(path, b)
	if err != nil {
		return false, err
	}
	if a.Lag > 0 {
		a.past = append(a.past, snapshot{until: time.Now(), db: a.db})
	}
	a.db, a.content, a.dirty = db, b, false
	return true, nil
}

// decode returns the account in a file; a new one if there is no file.
func decode(path string, content []byte) (*database, error) {
	f := file{Account: newDatabase(DefaultAccount)}
	if content == nil {
		return f.Account, nil
	}
	if err := json.Unmarshal(content, &f); err != nil {
		return nil, fmt.Errorf("read sandbox %s: %w; delete the file to start with an empty account", path, err)
	}
	if f.Format != format || f.Account == nil {
		return nil, fmt.Errorf("read sandbox %s: it was not written by this version; delete the file to start with an empty account", path)
	}
	return f.Account, nil
}

// Save writes the account to a file that only its owner can read. It does nothing
// if the account has not changed since the last Load or Save. It replaces the file
// atomically: a killed run leaves either the old file or the new one.
//
// If another process has written the file since the account was loaded, Save fails. With
// Keep, that cannot happen.
func (a *Account) Save(path string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.dirty {
		return nil
	}
	unlock, err := lock(path)
	if err != nil {
		return fmt.Errorf("save sandbox: %w", err)
	}
	defer unlock()
	if a.file == path {
		switch changed, err := a.refresh(path); {
		case err != nil:
			return err
		case changed:
			return fmt.Errorf("save sandbox %s: another process has changed it", path)
		}
	}
	return a.save(path)
}

// save writes the account to a locked file.
func (a *Account) save(path string) error {
	for _, prepare := range beforeSaving {
		if err := prepare(a.request("")); err != nil {
			return fmt.Errorf("save sandbox: %w", err)
		}
	}
	b, err := json.MarshalIndent(file{comment, format, a.db}, "", " ")
	if err != nil {
		return fmt.Errorf("save sandbox: %w", err)
	}
	b = append(b, '\n')
	if err := replace(path, b); err != nil {
		return fmt.Errorf("save sandbox: %w", err)
	}
	a.file, a.content, a.dirty = path, b, false
	return nil
}

// beforeSaving holds the functions that run before each save.
var beforeSaving []func(*Request) error

// BeforeSaving registers a function that prepares a service's part for each save.
func BeforeSaving(prepare func(*Request) error) { beforeSaving = append(beforeSaving, prepare) }

// replace writes a locked file. The temporary file always has the same name, so that a
// killed run leaves at most one.
func replace(path string, content []byte) error {
	tmp, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := tmp.Write(content); err != nil {
		return errors.Join(err, tmp.Close(), os.Remove(tmp.Name()))
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
