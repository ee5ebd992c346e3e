//go:build linux

package fargate

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/flowbed/flowbed/test/e2e/hypervisor"
)

//go:embed boot.sh
var bootScript string

//go:embed init.sh
var initScript string

// container is the process tree of a task.
type container struct {
	task *task
	args []string
	env  map[string]string

	dir       string
	cmd       *exec.Cmd
	listeners []net.Listener
	server    *http.Server
	ended     chan struct{}
}

// workdir is the image's.
const workdir = "/opt/prefect"

// start starts the container.
func (c *container) start(ctx context.Context) (err error) {
	if c.dir, err = os.MkdirTemp("", "task-"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.remove()
		}
	}()
	image := []string{"/usr", c.task.p.Venv}
	if !strings.HasPrefix(c.task.p.python, "/usr") {
		image = append(image, c.task.p.python)
	}
	if err := c.layOut(ctx, image); err != nil {
		return err
	}
	ready, go3, err := os.Pipe()
	if err != nil {
		return err
	}
	defer closeAll(ready, go3)
	wait4, proceed, err := os.Pipe()
	if err != nil {
		return err
	}
	defer closeAll(wait4, proceed)
	args := append(append([]string{filepath.Join(c.dir, "boot.sh"), c.dir}, image...), "--")
	c.cmd = exec.CommandContext(context.WithoutCancel(ctx), "/bin/bash", append(args, c.args...)...)
	c.cmd.Env = c.environ()
	c.cmd.ExtraFiles = []*os.File{go3, wait4}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:    true,
		Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	c.cmd.Stdout, c.cmd.Stderr = &c.task.said, &c.task.said
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(c.ended)
		_ = c.cmd.Wait() // the exit code is in its state
	}()
	_ = go3.Close() // so that the other end ends if the script fails
	if line, err := bufio.NewReader(ready).ReadString('\n'); err != nil || line != "ready\n" {
		return fmt.Errorf("prepare the container: %w: %s", err, c.task.said.String())
	}
	if err := c.listen(ctx); err != nil {
		return fmt.Errorf("prepare the container: %w", err)
	}
	_, err = io.WriteString(proceed, "go\n")
	return err
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close() // twice, perhaps
	}
}

// layOut fills the container's root directory.
func (c *container) layOut(ctx context.Context, image []string) error {
	root := filepath.Join(c.dir, "root")
	directory := first(c.task.only().Directory, workdir)
	for _, d := range append([]string{"/dev", "/etc", "/proc", "/root", "/tmp", "/var/tmp", directory}, image...) {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	if err := hypervisor.Below(ctx, root); err != nil {
		return err
	}
	for path, content := range map[string]string{
		"boot.sh": bootScript, "root/init": initScript, "root/workdir": strings.TrimPrefix(directory, "/"),
		"root/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n", "root/etc/group": "root:x:0:\n", "root/etc/hosts": "127.0.0.1 localhost\n",
	} {
		if err := os.WriteFile(filepath.Join(c.dir, path), []byte(content), 0o755); err != nil {
			return err
		}
	}
	return os.Chmod(filepath.Join(root, "tmp"), os.ModeSticky|0o777)
}

// environ is the environment of the container: that of the image, that of Fargate, and that
// of the definition. The endpoint is moto's.
func (c *container) environ() []string {
	t := c.task
	env := map[string]string{
		"PATH": filepath.Join(t.p.Venv, "bin") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
		"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "AWS_REGION": t.p.Region, "AWS_DEFAULT_REGION": t.p.Region,
		"ECS_CONTAINER_METADATA_URI_V4": "http://" + linkLocal + "/v4/" + t.id + "-0", "AWS_ENDPOINT_URL": t.p.Front.URL,
	}
	if t.taskRole() != "" {
		env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/" + t.id
	}
	for name, value := range c.env {
		env[name] = value
	}
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// exit is the exit code, as ECS shows it.
func (c *container) exit() int {
	if s, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal())
	}
	return c.cmd.ProcessState.ExitCode()
}

func (c *container) terminate() { _ = c.cmd.Process.Signal(syscall.SIGTERM) } // it may have ended

// kill kills the container. All of its processes end with the first one.
func (c *container) kill() { _ = c.cmd.Process.Kill() }

// remove removes what is left of a container, which ends it.
func (c *container) remove() {
	if c.cmd != nil && c.cmd.Process != nil {
		c.kill()
		<-c.ended
	}
	if c.server != nil {
		_ = c.server.Close()
	}
	for _, l := range c.listeners {
		_ = l.Close()
	}
	_ = os.RemoveAll(c.dir)
}

// run runs a program in the container, with the container's environment.
func (c *container) run(ctx context.Context, args ...string) (string, error) {
	select {
	case <-c.ended:
		return "", errors.New("the container has ended")
	default:
	}
	all := append([]string{"--target", fmt.Sprint(c.cmd.Process.Pid), "--all", "--root", "--wd"}, args...)
	cmd := exec.CommandContext(ctx, "/usr/bin/nsenter", all...)
	cmd.Env = c.environ()
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}
