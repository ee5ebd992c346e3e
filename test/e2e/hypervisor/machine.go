//go:build linux

package hypervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Config describes a machine.
type Config struct {
	ID       string   // of the instance
	UserData string   // a script
	Role     string   // the role in the instance profile; empty for none
	Keys     Keys     // what the metadata service returns for the role
	Doors    []int    // loopback ports of the host that the machine can reach on its own loopback
	Environ  []string // NAME=value, for everything that systemd starts
	Python   string   // the interpreter that the package manager installs, not one in a virtual environment
	Wheels   string   // the directory that serves as the index of Python packages
}

// Keys are AWS credentials.
type Keys struct{ ID, Secret, Token string }

// Machine is a running machine.
type Machine struct {
	Config
	dir     string
	cgroups []string
	cmd     *exec.Cmd
	said    strings.Builder // the firmware's output
	doors   *doors
	ended   chan struct{}
}

// Start starts a machine with an empty disk.
func Start(ctx context.Context, c Config) (_ *Machine, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("start a machine: this test makes namespaces, and needs to be root")
	}
	// Not in the test's own directory: the path of a socket has at most 107 bytes.
	dir, err := os.MkdirTemp("", "machine-")
	if err != nil {
		return nil, fmt.Errorf("start a machine: %w", err)
	}
	m := &Machine{Config: c, dir: dir, ended: make(chan struct{})}
	defer func() {
		if err != nil {
			m.remove()
			err = fmt.Errorf("start a machine: %w", err)
		}
	}()
	if err := c.layOut(ctx, filepath.Join(dir, "root")); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "doors"), 0o755); err != nil {
		return nil, err
	}
	if m.doors, err = c.open(ctx, filepath.Join(dir, "doors")); err != nil {
		return nil, err
	}
	if m.cgroups, err = makeGroups(filepath.Base(dir)); err != nil {
		return nil, err
	}
	if err := m.write(); err != nil {
		return nil, err
	}
	m.cmd = exec.CommandContext(context.WithoutCancel(ctx), "bash", filepath.Join(dir, "boot.sh"), dir)
	m.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:    true,
		Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	m.cmd.Stdout, m.cmd.Stderr = &m.said, &m.said
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(m.ended)
		_ = m.cmd.Wait() // it was killed
	}()
	return m, nil
}

// write writes the files that the firmware needs.
func (m *Machine) write() error {
	boot, err := image.ReadFile("boot.sh")
	if err != nil {
		return err
	}
	env := ""
	for name, value := range map[string]string{
		"prefix": filepath.Dir(filepath.Dir(m.Python)), "wheels": m.Wheels,
		"cgroups": strings.Join(m.cgroups, " "), "name": m.ID,
	} {
		env += name + "='" + value + "'\n"
	}
	return errors.Join(
		os.WriteFile(filepath.Join(m.dir, "boot.sh"), boot, 0o755),
		os.WriteFile(filepath.Join(m.dir, "machine.env"), []byte(env), 0o644),
		os.WriteFile(filepath.Join(m.dir, "console"), nil, 0o644),
	)
}

// Console returns the console output so far.
func (m *Machine) Console() string {
	raw, _ := os.ReadFile(filepath.Join(m.dir, "console")) // the file exists as long as the machine
	return string(raw)
}

// Run runs a program on the machine as root.
func (m *Machine) Run(ctx context.Context, args ...string) (string, error) {
	all := append([]string{"--target", fmt.Sprint(m.cmd.Process.Pid), "--all", "--root", "--wd"}, args...)
	out, err := exec.CommandContext(ctx, "nsenter", all...).CombinedOutput()
	return string(out), err
}

// Report returns the logs that help after a failure.
func (m *Machine) Report() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var b strings.Builder
	fmt.Fprintf(&b, "firmware:\n%sconsole:\n%s", m.firmware(), m.Console())
	for _, path := range []string{"/var/log/cloud-init-output.log", "/var/log/flowbed-setup.log"} {
		raw, err := os.ReadFile(filepath.Join(m.dir, "root", path))
		fmt.Fprintf(&b, "%s: %v\n%s", path, err, raw)
	}
	journal, err := m.Run(ctx, "journalctl", "--no-pager", "--lines", "100")
	fmt.Fprintf(&b, "journal: %v\n%s", err, journal)
	return b.String()
}

func (m *Machine) firmware() string {
	select {
	case <-m.ended:
		return m.said.String()
	default:
		return "" // it became systemd, or is about to
	}
}

// Ended is closed when the machine has ended, by itself or by Stop.
func (m *Machine) Ended() <-chan struct{} { return m.ended }

// Stop pulls the plug and removes the disk.
func (m *Machine) Stop() {
	_ = m.cmd.Process.Kill() // all of its child processes end with it
	<-m.ended
	m.remove()
}

func (m *Machine) remove() {
	if m.doors != nil {
		m.doors.close()
	}
	for _, c := range m.cgroups {
		removeGroup(c)
	}
	_ = os.RemoveAll(m.dir)
}

// makeGroups creates the machine's control groups, one in each hierarchy that systemd uses.
func makeGroups(name string) ([]string, error) {
	var made []string
	hierarchies := []string{"/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		hierarchies = []string{"/sys/fs/cgroup"}
	}
	for _, h := range hierarchies {
		group := filepath.Join(h, name)
		if err := os.Mkdir(group, 0o755); err != nil {
			return made, err
		}
		made = append(made, group)
	}
	return made, nil
}

// removeGroup removes a control group and its children. The kernel refuses while one of
// their processes is still exiting.
func removeGroup(group string) {
	for range 50 {
		var inside []string
		_ = filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				inside = append([]string{path}, inside...)
			}
			return nil
		})
		for _, path := range inside {
			_ = syscall.Rmdir(path) // may already be gone
		}
		if _, err := os.Stat(group); errors.Is(err, fs.ErrNotExist) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
