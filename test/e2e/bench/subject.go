package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/flowbed/flowbed/test/e2e/moto"
	"github.com/flowbed/flowbed/test/prefecttest"
)

const number = "123456789012"

// config is an environment with all that an environment can have. %s is the URL of the
// Prefect API.
const config = `
environment "bench" {
  region = "us-east-1"
  prefect {
    api_url = "%s/api"
    api_key = "pnu_only_a_benchmark"
  }
  agent {
    ssh {
      cidr       = "203.0.113.7/32"
      public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3dM8zQ2n8gk1d6zB1mG7p9v8kO2T0c4l5aYxJr6q7S bench"
    }
  }
}
`

// command is one command to measure, with its target.
type command struct {
	name  string
	args  []string
	wall  time.Duration // 0 means no target
	calls int
}

// The order matters: each command starts from what the previous one left.
var commands = []command{
	{"plan, nothing there", []string{"plan"}, 0, 0},
	{"up", []string{"up", "--yes", "--no-wait"}, 1800 * time.Millisecond, 100},
	{"plan, unchanged", []string{"plan"}, 500 * time.Millisecond, 30},
	{"down", []string{"down", "--yes"}, 1800 * time.Millisecond, 100},
}

// result is one run of a command.
type result struct {
	wall   time.Duration
	memory int64 // peak, in bytes
	calls  []moto.Call
}

// subject is the binary and its endpoint of AWS.
type subject struct {
	binary, dir string
	front       *moto.Front
	prefect     *prefecttest.Server
}

// lives measures each command once per run.
func (s *subject) lives(ctx context.Context, delay time.Duration, runs int) ([][]result, error) {
	server, err := moto.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	// The first life is not measured, because moto loads a service on first use.
	if err := s.life(ctx, server.Account(number, 0), func(int, result) {}); err != nil {
		return nil, err
	}
	found := make([][]result, len(commands))
	for range runs {
		err := s.life(ctx, server.Account(number, delay), func(i int, r result) { found[i] = append(found[i], r) })
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// pause is the time before down. A run that begins within 3 s of the end of another plans
// twice (package lease); this is not what the row shows.
const pause = 5 * time.Second

// life runs each command once, through front, and closes it.
func (s *subject) life(ctx context.Context, front *moto.Front, note func(int, result)) error {
	s.front = front
	defer front.Close()
	for i, c := range commands {
		if c.name == "down" {
			time.Sleep(pause)
		}
		r, err := s.measure(ctx, c)
		if err != nil {
			return err
		}
		note(i, r)
		if c.name == "up" {
			if err := s.report(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// report sends the worker's heartbeat to Prefect. Nothing boots the instance, so up did
// not wait for it.
func (s *subject) report(ctx context.Context) error {
	out, err := s.command(ctx, "outputs", "--format", "json").Output()
	if err != nil {
		return fmt.Errorf("flowbed outputs: %w", err)
	}
	return s.prefect.HeartbeatOf(out)
}

func (s *subject) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{
		"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "NO_COLOR=1",
		"AWS_ENDPOINT_URL=" + s.front.URL, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=secret",
	}
	return cmd
}

func (s *subject) measure(ctx context.Context, c command) (result, error) {
	s.front.Reset()
	cmd := s.command(ctx, c.args...)
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	r := result{wall: time.Since(begin), calls: s.front.Calls()}
	if err != nil {
		return r, fmt.Errorf("flowbed %s: %w\n%s", c.args[0], err, out)
	}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.memory = maxRSS(u)
	}
	return r, nil
}

// startUp returns the median time of `flowbed version`.
func (s *subject) startUp(ctx context.Context) (time.Duration, error) {
	var took []time.Duration
	for range 21 {
		begin := time.Now()
		if err := s.command(ctx, "version").Run(); err != nil {
			return 0, fmt.Errorf("flowbed version: %w", err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
