package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/flowbed/flowbed/test/e2e/venv"
)

// tool is a program that builds the environment.
type tool struct {
	name, version string
	dir           string // a directory with what a user of the tool writes
	lines         int    // of it, without comments and empty lines
	env           []string
	before        []string            // forget what the tool remembers on this machine
	steps         map[string][]string // command lines by the name of the step; none: the tool has no such step
	after         func(context.Context, *life) error
}

// steps in their order.
var steps = []string{"build", "plan, unchanged", "remove"}

//go:embed agent.sh terraform/main.tf ansible/up.yml ansible/down.yml provision.py
var files embed.FS

const config = `environment "bench" {
  region = "us-east-1"
  prefect {
    api_url = "%s"
    api_key = var.api_key
  }
  execution_role { name = "peer-bench-execution" }
  cluster { name = "peer-bench" }
  agent {
    ssh {
      cidr       = "203.0.113.7/32"
      public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3dM8zQ2n8gk1d6zB1mG7p9v8kO2T0c4l5aYxJr6q7S bench"
    }
  }
}
variable "api_key" { sensitive = true }
`

func (w *world) flowbed(ctx context.Context, o options) (*tool, error) {
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return nil, err
	}
	t, err := w.newTool("flowbed", map[string]string{"config.hcl": fmt.Sprintf(config, w.standIn.URL+"/api")})
	if err != nil {
		return nil, err
	}
	t.env = append(t.env, "FLOWBED_VAR_api_key=pnu_only_a_benchmark")
	t.version, err = firstLine(ctx, t, binary, "version")
	t.steps = map[string][]string{
		"build":           {binary, "up", "--yes", "--no-wait"},
		"plan, unchanged": {binary, "plan", "--detailed-exitcode"},
		"remove":          {binary, "down", "--yes"},
	}
	t.after = w.heartbeat
	return t, err
}

func (w *world) terraform(ctx context.Context, o options) (*tool, error) {
	binary, err := exec.LookPath("terraform")
	if err != nil {
		if binary, err = exec.LookPath("tofu"); err != nil {
			return nil, notHere("neither terraform nor tofu is on this machine")
		}
	}
	text, err := contents("terraform/main.tf", "agent.sh")
	if err != nil {
		return nil, err
	}
	t, err := w.newTool("terraform", text)
	if err != nil {
		return nil, err
	}
	t.env = append(t.env, "TF_VAR_api_key=pnu_only_a_benchmark", "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE="+os.DevNull)
	install := []string{binary, "init", "-no-color", "-input=false"}
	if o.plugins != "" {
		install = append(install, "-plugin-dir="+o.plugins)
	}
	if out, err := w.command(ctx, t, install, w.nowhere).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w:\n%s", err, out)
	}
	out, err := w.command(ctx, t, []string{binary, "version"}, w.nowhere).Output()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "Terraform v") || strings.HasPrefix(line, "OpenTofu v") || strings.Contains(line, "hashicorp/aws") {
			name := strings.TrimLeft(strings.TrimSpace(line), "+ ")
			if at := strings.LastIndex(name, "/aws "); at >= 0 {
				name = "with its AWS provider " + name[at+len("/aws "):]
			}
			t.version = strings.TrimSpace(t.version + " " + name)
		}
	}
	t.before = []string{"terraform.tfstate", "terraform.tfstate.backup", ".terraform.tfstate.lock.info"}
	t.steps = map[string][]string{
		"build":           {binary, "apply", "-auto-approve", "-no-color", "-input=false"},
		"plan, unchanged": {binary, "plan", "-detailed-exitcode", "-no-color", "-input=false"},
		"remove":          {binary, "destroy", "-auto-approve", "-no-color", "-input=false"},
	}
	return t, err
}

func (w *world) ansible(ctx context.Context, _ options) (*tool, error) {
	bin, err := filepath.Abs(".venv-peers/bin")
	if err != nil {
		return nil, err
	}
	play := filepath.Join(bin, "ansible-playbook")
	if _, err := os.Stat(play); err != nil {
		return nil, notHere("ansible is not in .venv-peers: run `make .venv-peers/ready`")
	}
	text, err := contents("ansible/up.yml", "ansible/down.yml", "agent.sh")
	if err != nil {
		return nil, err
	}
	t, err := w.newTool("ansible", text)
	if err != nil {
		return nil, err
	}
	t.env = append(t.env, "PATH="+bin+":"+os.Getenv("PATH"), "PEER_API_KEY=pnu_only_a_benchmark", "LC_ALL=C.UTF-8",
		"ANSIBLE_LOCALHOST_WARNING=False", "ANSIBLE_INVENTORY_UNPARSED_WARNING=False", "ANSIBLE_PYTHON_INTERPRETER="+filepath.Join(bin, "python"))
	t.version, err = firstLine(ctx, t, play, "--version")
	t.steps = map[string][]string{
		"build":           {play, "up.yml"},
		"plan, unchanged": {play, "--check", "up.yml"},
		"remove":          {play, "down.yml"},
	}
	return t, err
}

func (w *world) prefect(ctx context.Context, _ options) (*tool, error) {
	dir, err := venv.Prefect()
	if err != nil {
		return nil, notHere("Prefect is not here: " + err.Error())
	}
	bin := filepath.Join(dir, "bin")
	text, err := contents("provision.py")
	if err != nil {
		return nil, err
	}
	t, err := w.newTool("prefect", text)
	if err != nil {
		return nil, err
	}
	api, err := w.prefectAPI(ctx)
	if err != nil {
		return nil, err
	}
	// Prefect logs Docker in to ECR. Here a program of that name does nothing.
	if err := os.WriteFile(filepath.Join(t.dir, "docker"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		return nil, err
	}
	t.env = append(t.env, "PREFECT_API_URL="+api, "PREFECT_HOME="+t.dir, "PATH="+t.dir+":"+os.Getenv("PATH"), "AWS_DEFAULT_REGION=us-east-1", "DO_NOT_TRACK=1")
	python := filepath.Join(bin, "python")
	out, err := w.command(ctx, t, []string{python, "-c", "import prefect; print(prefect.__version__)"}, w.nowhere).Output()
	t.version = "Prefect " + strings.TrimSpace(string(out))
	if err != nil {
		return nil, err
	}
	if out, err := w.command(ctx, t, []string{filepath.Join(bin, "prefect"), "block", "register", "-m", "prefect_aws"}, w.nowhere).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w:\n%s", err, out)
	}
	t.lines = 1 // the command line
	provision := []string{python, "provision.py"}
	t.steps = map[string][]string{"build": provision, "plan, unchanged": provision}
	return t, nil
}

// newTool makes the directory of a tool, with files in it.
func (w *world) newTool(name string, files map[string]string) (*tool, error) {
	t := &tool{name: name, dir: filepath.Join(w.dir, name)}
	if err := os.Mkdir(t.dir, 0o700); err != nil {
		return nil, err
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(t.dir, file), []byte(text), 0o600); err != nil {
			return nil, err
		}
		t.lines += written(text)
	}
	return t, nil
}

// contents are embedded files by their last names.
func contents(names ...string) (map[string]string, error) {
	m := map[string]string{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		m[filepath.Base(name)] = string(text)
	}
	return m, nil
}

// written counts the lines that a person writes: without comments and empty lines.
func written(text string) (n int) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && (!strings.HasPrefix(line, "#") || strings.HasPrefix(line, "#!")) {
			n++
		}
	}
	return n
}

func firstLine(ctx context.Context, t *tool, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(t.env, "HOME="+t.dir)
	out, err := cmd.Output()
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return string(line), err
}

// command is a command of a tool, whose AWS is at url. It is the first of a process group.
func (w *world) command(ctx context.Context, t *tool, args []string, url string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = t.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append([]string{
		"HOME=" + t.dir, "PATH=" + os.Getenv("PATH"), "NO_COLOR=1", "AWS_ENDPOINT_URL=" + url, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=secret",
		fmt.Sprintf("PEER_LIFE=%d", w.accounts), // Prefect's server remembers what it knew of earlier ones
	}, t.env...)
	return cmd
}
