package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/flowbed/flowbed/provision/crash"
)

const issues = "https://github.com/flowbed/flowbed/issues"

// crashes writes down the stacks of panics, all into one file.
type crashes struct {
	mu   sync.Mutex
	path string // of the file; empty if there is none
	told map[*crash.Error]bool
}

// hint invites to report a panic, and says where its stack is. The message itself is one
// line, which nobody can miss.
func (c *crashes) hint(a *app, e *crash.Error) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.told[e] {
		if err := c.write(a, e); err != nil {
			return fmt.Sprintf("report it at %s with version %s; its stack cannot be written to a file (%v)", issues, version, err)
		}
		if c.told == nil {
			c.told = map[*crash.Error]bool{}
		}
		c.told[e] = true
	}
	return fmt.Sprintf("report it at %s with version %s and the file %s; to go on, run the same command again", issues, version, c.path)
}

// write appends a stack to the file. The file has neither arguments nor values, which may be
// secrets.
func (c *crashes) write(a *app, e *crash.Error) (err error) {
	var f *os.File
	if c.path == "" {
		f, err = os.CreateTemp("", "flowbed-crash-*.txt") // for its owner only
	} else {
		f, err = os.OpenFile(c.path, os.O_APPEND|os.O_WRONLY, 0)
	}
	if err != nil {
		return err
	}
	c.path = f.Name()
	_, err = fmt.Fprintf(a.guarded(f), "flowbed %s, %s, %s/%s\n%v\n\n%s\n",
		version, runtime.Version(), runtime.GOOS, runtime.GOARCH, e, strings.TrimSpace(e.Stack))
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
