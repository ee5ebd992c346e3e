package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// waitingUp is the real program in the middle of an up, in a folder of its own. It holds the
// lock and waits for an agent that never gets ready.
type waitingUp struct {
	*testing.T
	dir string
	cmd *exec.Cmd
	out *os.File // where its output can be read
}

const waitingConfig = `environment "dev" {
	region = "us-east-1"
	prefect {
		api_url = "http://prefect.example/api"
	}
	agent {}
}`

// program is the test's own binary by one of the names in TestMain.
func program(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, args...)
	c.Args[0], c.Dir = name, dir
	c.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "FLOWBED_SANDBOX=1"}
	return c
}

// startUp starts the program. streams connects its output, and returns where to read it.
func startUp(t *testing.T, streams func(*exec.Cmd) (read *os.File, theirs io.Closer)) *waitingUp {
	t.Helper()
	u := &waitingUp{T: t, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(u.dir, "config.hcl"), []byte(waitingConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	u.cmd = program(t, u.dir, "flowbed-endless", "up", "--yes")
	heedSignals(t)
	var theirs io.Closer
	u.out, theirs = streams(u.cmd)
	if err := errors.Join(u.cmd.Start(), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.out.Close() })
	lines := bufio.NewReader(u.out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("up has ended before it waited: %v", err)
		}
		if strings.Contains(line, "worker") && strings.Contains(line, "wait") {
			return u
		}
	}
}

// ends waits for the end, and checks that the run has ended as after a SIGTERM.
func (u *waitingUp) ends() {
	u.Helper()
	_ = u.cmd.Wait()
	if have := u.cmd.ProcessState; have.ExitCode() != exitInterrupted {
		u.Errorf("%v, want exit code %d", have, exitInterrupted)
	}
	if have := u.run("unlock"); have != "dev is not locked.\n" {
		u.Errorf("the lock: have %q", have)
	}
	u.run("down", "--yes")
}

// run runs another command in the same folder.
func (u *waitingUp) run(args ...string) string {
	u.Helper()
	out, err := program(u.T, u.dir, "flowbed", args...).CombinedOutput()
	if err != nil {
		u.Errorf("flowbed %v: %v: %s", args, err, out)
	}
	return string(out)
}

func toPipe(t *testing.T) func(*exec.Cmd) (*os.File, io.Closer) {
	return func(c *exec.Cmd) (*os.File, io.Closer) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		c.Stdout, c.Stderr = w, w
		return r, w
	}
}

// toTerminal makes a terminal that the program controls, as a login does.
func toTerminal(t *testing.T) func(*exec.Cmd) (*os.File, io.Closer) {
	return func(c *exec.Cmd) (*os.File, io.Closer) {
		master, slave := openTerminal(t)
		c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
		c.Env = append(c.Env, "TERM=dumb") // lines instead of a board
		return master, slave
	}
}

// openTerminal returns the two ends of a terminal: ours, and the program's.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err := errors.Join(err, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// TestHangup: a run whose terminal is gone stops as after a SIGTERM, and releases the lock.
func TestHangup(t *testing.T) {
	for name, hangUp := range map[string]func(*waitingUp) error{
		"one signal":            func(u *waitingUp) error { return u.cmd.Process.Signal(syscall.SIGHUP) },
		"no reader":             func(u *waitingUp) error { return errors.Join(u.out.Close(), u.cmd.Process.Signal(syscall.SIGHUP)) },
		"no reader, at SIGTERM": func(u *waitingUp) error { return errors.Join(u.out.Close(), u.cmd.Process.Signal(syscall.SIGTERM)) },
		"many signals": func(u *waitingUp) error {
			err := u.cmd.Process.Signal(syscall.SIGHUP)
			go func() {
				for u.cmd.Process.Signal(syscall.SIGHUP) == nil { // until it has ended
				}
			}()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := startUp(t, toPipe(t))
			if err := hangUp(u); err != nil {
				t.Fatal(err)
			}
			u.ends()
		})
	}
	t.Run("a closed terminal", func(t *testing.T) {
		u := startUp(t, toTerminal(t))
		if err := u.out.Close(); err != nil { // the kernel sends the signal, and writes fail
			t.Fatal(err)
		}
		u.ends()
	})
}

// TestWithoutReader: a run goes on if nobody reads what it prints.
func TestWithoutReader(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(waitingConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := program(t, dir, "flowbed", "up", "--yes")
	c.Stderr = w
	if err := errors.Join(r.Close(), c.Start(), w.Close()); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if !c.ProcessState.Exited() {
		t.Errorf("up: %v", c.ProcessState)
	}
	out, err := program(t, dir, "flowbed", "plan", "--detailed-exitcode").CombinedOutput()
	if err != nil {
		t.Errorf("up has not ended its work: %v: %s", err, out)
	}
}

// named is a path of the program whose last part is the name by which it is called.
func named(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), c.Args[0])
	if err := os.Symlink(c.Path, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNohup: who has started the program with nohup wants it to live on.
func TestNohup(t *testing.T) {
	u := startUp(t, func(c *exec.Cmd) (*os.File, io.Closer) {
		shell, err := exec.LookPath("sh")
		if err != nil {
			t.Fatal(err)
		}
		c.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$@"`, "sh", named(t, c)}, c.Args[1:]...)
		c.Path = shell
		return toPipe(t)(c)
	})
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", u.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	ignored := slices.ContainsFunc(bytes.Split(status, []byte("\n")), func(line []byte) bool {
		var mask uint64
		n, _ := fmt.Sscanf(string(line), "SigIgn:\t%x", &mask)
		return n == 1 && mask&(1<<(syscall.SIGHUP-1)) != 0
	})
	if !ignored {
		t.Errorf("it does not ignore SIGHUP:\n%s", status)
	}
	if err := errors.Join(u.cmd.Process.Signal(syscall.SIGHUP), u.cmd.Process.Signal(syscall.SIGTERM)); err != nil {
		t.Fatal(err)
	}
	u.ends()
}
