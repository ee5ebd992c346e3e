package core

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Several processes can keep one account in one file. Each call is a transaction: a write
// locks the file, reads it if another process has written it, is executed, saves the account
// and unlocks the file. So processes meet each other as they would in AWS, and a lock is held
// for milliseconds, never while a run waits or asks a question. The operating system releases
// the lock of a killed process.

// start begins a call. The function that it returns ends it.
func (a *Account) start(write bool) (end func(), err error) {
	if a.Keep == "" {
		return func() {}, nil
	}
	unlock := func() {}
	if write || lockReaders && exists(a.Keep+lockSuffix) {
		if unlock, err = lock(a.Keep); err != nil {
			return nil, fmt.Errorf("save sandbox: %w", err)
		}
	}
	if a.file == a.Keep { // otherwise the first save replaces what is there
		_, err = a.refresh(a.Keep)
	}
	if err != nil || !write {
		unlock()
		unlock = func() {}
	}
	return unlock, err
}

// Visit lets other services than AWS's use the account. They see its current state.
// visit reports whether it has changed the account, which is then saved as after a
// write. If another process writes at the same time, visit runs a second time.
func (a *Account) Visit(visit func(*Request) (changed bool)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	end, err := a.start(false)
	if err != nil {
		return err
	}
	end()
	a.catchUp()
	if !visit(a.request("")) {
		return nil
	}
	a.dirty = true
	if a.Keep == "" {
		return nil
	}
	return a.saveVisit(visit)
}

// saveVisit saves what a visit has changed. It locks the file only now: most visits change
// nothing, and a folder without a sandbox is to stay as it is.
func (a *Account) saveVisit(visit func(*Request) (changed bool)) error {
	unlock, err := lock(a.Keep)
	if err != nil {
		return fmt.Errorf("save sandbox: %w", err)
	}
	defer unlock()
	if a.file == a.Keep {
		again, err := a.refresh(a.Keep) // without what the visit has changed
		if err != nil {
			return err
		}
		if again {
			a.catchUp()
			if !visit(a.request("")) {
				return nil
			}
			a.dirty = true
		}
	}
	return a.save(a.Keep)
}

const (
	lockSuffix = ".lock"
	firstPause = 200 * time.Microsecond
	maxPause   = 10 * time.Millisecond
)

// patience is how long a call waits for the lock. Only a process that was stopped in the
// middle of a call holds it longer.
var patience = 30 * time.Second

// lock locks an account's file for writing. The lock is a file of its own, because a save
// replaces the account's file.
func lock(path string) (unlock func(), err error) {
	name := path + lockSuffix
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	begun := time.Now()
	for pause := firstPause; ; pause = min(pause*3/2, maxPause) {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		got, err := tryLock(f)
		if got && isNamed(f, name) {
			return func() { release(f) }, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if got { // somebody has deleted the file that was locked
			continue
		}
		if time.Since(begun) > patience {
			return nil, fmt.Errorf("lock %s: another process has held it for %s → end that process, or let it go on if it is stopped (`fg`)", name, patience)
		}
		time.Sleep(pause)
	}
}

// isNamed reports whether an open file still is the one of that name.
func isNamed(f *os.File, name string) bool {
	mine, errMine := f.Stat()
	there, errThere := os.Stat(name)
	return errMine == nil && errThere == nil && os.SameFile(mine, there)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
