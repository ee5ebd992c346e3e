//go:build linux

package fargate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// Config describes where tasks run.
type Config struct {
	Front  *moto.Front // of the account
	Region string
	Venv   string   // the virtual environment that is in every image
	Images []string // none: each task fails, because its image cannot be pulled
	Doors  []int    // loopback ports of the host that tasks can reach on their own loopback
}

// Player runs the tasks of an account. It is safe for concurrent use.
type Player struct {
	Config
	python string // the directory of the virtual environment's Python
	ctx    context.Context
	stop   context.CancelFunc
	lives  sync.WaitGroup // the goroutines of tasks

	mu       sync.Mutex
	stopped  bool
	held     bool    // see Hold
	tasks    []*task // the oldest first
	services []*service
	faults   []error // of the player, not of tasks
}

// Start starts a player for all tasks that RunTask starts from now on. Stop it before the
// front is closed. Without images it needs neither root nor a virtual environment.
func Start(ctx context.Context, c Config) (*Player, error) {
	p := &Player{Config: c}
	if len(c.Images) > 0 {
		if err := p.prepare(ctx); err != nil {
			return nil, fmt.Errorf("play Fargate: %w", err)
		}
	}
	p.ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.Front.PlayECS(p.answer)
	p.lives.Go(p.schedule)
	return p, nil
}

// prepare finds what containers need.
func (p *Player) prepare(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("this test makes namespaces, and needs to be root")
	}
	venv, err := filepath.EvalSymlinks(p.Venv)
	if err != nil {
		return err
	}
	p.Venv = venv
	python, err := exec.CommandContext(ctx, filepath.Join(venv, "bin", "python"), "-c", "import sys; print(sys.base_prefix)").Output()
	if err != nil {
		return fmt.Errorf("find Python: %w", err)
	}
	p.python = strings.TrimSpace(string(python))
	return nil
}

// Stop kills all tasks, without a word to anybody, and waits until they have ended.
func (p *Player) Stop() {
	p.mu.Lock()
	p.stopped = true // no more tasks
	p.mu.Unlock()
	p.stop()
	p.lives.Wait()
}

// Faults returns what went wrong in the player itself. A test fails if there is anything.
func (p *Player) Faults() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

// fault remembers what went wrong, unless the player is stopping.
func (p *Player) fault(doing string, err error) {
	if err == nil || p.ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, fmt.Errorf("%s: %w", doing, err))
}

// Kill kills the container of a task with SIGKILL, as the kernel does when memory runs out.
func (p *Player) Kill(id string) error {
	t := p.find(id)
	if t == nil || t.container() == nil {
		return fmt.Errorf("kill task %s: it does not run", id)
	}
	t.container().kill()
	return nil
}

// Hold lets services start new tasks and keep the old ones, until Release.
func (p *Player) Hold() { p.hold(true) }

// Release lets services stop the old tasks of which new ones have taken the place.
func (p *Player) Release() { p.hold(false) }

func (p *Player) hold(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = on
}

// Ran is a task that ran, or runs.
type Ran struct {
	ID, Family string
	Group      string // "family:…", or "service:…"
	Status     string // RUNNING, for example
	Health     string // HEALTHY or UNHEALTHY; empty before the first check, or without one
	Log        string // what the container has printed
	Tags       map[string]string
}

// Tasks returns all tasks, the oldest first.
func (p *Player) Tasks() (list []Ran) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tasks {
		r := Ran{ID: t.id, Family: t.family(), Group: text(t.view["group"]), Status: t.status, Health: t.healthy, Tags: map[string]string{}}
		for _, tag := range t.tags {
			pair := tag.(moto.Object)
			r.Tags[text(pair["key"])] = text(pair["value"])
		}
		r.Log = t.said.String()
		list = append(list, r)
	}
	return list
}

// Run runs a program in the container of a task as root.
func (p *Player) Run(ctx context.Context, id string, args ...string) (string, error) {
	t := p.find(id)
	if t == nil || t.container() == nil {
		return "", fmt.Errorf("run a program in task %s: it does not run", id)
	}
	return t.container().run(ctx, args...)
}

// find finds a task by its id or ARN.
func (p *Player) find(id string) *task {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tasks {
		if t.id == lastPart(id) {
			return t
		}
	}
	return nil
}

// playerKey is the id of the key with which the player itself calls AWS.
const playerKey = "AKIAPLAYER"

// as returns the configuration of the SDK's clients with a key.
func (p *Player) as(key string) aws.Config {
	c := p.Front.Config(p.Region)
	c.Credentials = credentials.NewStaticCredentialsProvider(key, "secret", "token")
	return c
}

// KeyOf is the id of the access key that a task gets for a role.
func KeyOf(role string) string {
	letters := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToUpper(lastPart(role)))
	return "ASIA" + letters
}

func lastPart(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

func text(v any) string {
	s, _ := v.(string)
	return s
}
