package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/flowbed/flowbed/test/e2e/moto"
	"github.com/flowbed/flowbed/test/e2e/prefectserver"
	"github.com/flowbed/flowbed/test/prefecttest"
)

// world is what the tools have in common.
type world struct {
	dir      string
	delay    time.Duration
	server   *moto.Server
	api      *prefecttest.Server
	standIn  *httptest.Server
	real     *prefectserver.Server // only Prefect itself needs it
	nowhere  string                // an endpoint for commands that call nobody
	accounts int
}

func newWorld(ctx context.Context, dir string, delay time.Duration) (*world, error) {
	server, err := moto.Start(ctx)
	if err != nil {
		return nil, err
	}
	api := prefecttest.New()
	return &world{dir: dir, delay: delay, server: server, api: api, standIn: httptest.NewServer(api), nowhere: "http://127.0.0.1:9"}, nil
}

func (w *world) stop() {
	w.server.Stop()
	w.standIn.Close()
	if w.real != nil {
		w.real.Stop()
	}
}

// prefectAPI is the API of a real server.
func (w *world) prefectAPI(ctx context.Context) (string, error) {
	dir := filepath.Join(w.dir, "server")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	progress("starting a Prefect server")
	server, err := prefectserver.Start(ctx, dir, prefectserver.Options{})
	if err != nil {
		return "", err
	}
	w.real = server
	return server.API, nil
}

// life is a tool in an account of its own.
type life struct {
	tool   *tool
	world  *world
	front  *moto.Front // with the delay
	look   *moto.Front // without one, to see what is there
	before objects
}

// newLife has the tool forget what it knew, and opens a new account.
func (w *world) newLife(ctx context.Context, t *tool) (*life, error) {
	for _, file := range t.before {
		if err := os.RemoveAll(filepath.Join(t.dir, file)); err != nil {
			return nil, err
		}
	}
	w.accounts++
	number := fmt.Sprintf("%012d", 100000000000+w.accounts)
	l := &life{tool: t, world: w, front: w.server.Account(number, w.delay), look: w.server.Account(number, 0)}
	var err error
	// It also has moto load each service in this account, which no tool should wait for.
	l.before, err = l.objects(ctx)
	return l, err
}

func (l *life) close() {
	l.front.Close()
	l.look.Close()
}

// result is one run of one step.
type result struct {
	wall, cpu time.Duration
	calls     int
	objects   int // after it
}

// run runs a step.
func (l *life) run(ctx context.Context, step string) (result, error) {
	l.front.Reset()
	cmd := l.world.command(ctx, l.tool, l.tool.steps[step], l.front.URL)
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	r := result{wall: time.Since(begin), calls: len(l.front.Calls())}
	if err != nil {
		return r, fmt.Errorf("%s: %s: %w\n%s", l.tool.name, step, err, tail(string(out)))
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	there, err := l.objects(ctx)
	r.objects = len(there.without(l.before))
	return r, err
}

// tail is the end of what a program said.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// measureAll measures each tool in turn, again and again: what the machine does beside this
// falls on all of them.
func (w *world) measureAll(ctx context.Context, tools []*tool, runs int) (map[string]map[string][]result, error) {
	found := map[string]map[string][]result{}
	for _, t := range tools {
		found[t.name] = map[string][]result{}
	}
	for n := range runs {
		for i := range tools {
			t := tools[(i+n)%len(tools)]
			progress("round %d of %d: %s", n+1, runs, t.name)
			if err := w.measure(ctx, t, found[t.name]); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// measure runs the steps of a tool in a new account.
func (w *world) measure(ctx context.Context, t *tool, found map[string][]result) error {
	l, err := w.newLife(ctx, t)
	if err != nil {
		return err
	}
	defer l.close()
	for _, step := range steps {
		if t.steps[step] == nil {
			continue
		}
		if step == "remove" {
			time.Sleep(pause)
		}
		r, err := l.run(ctx, step)
		if err != nil {
			return err
		}
		progress("  %-16s %6.2f s %6.2f s of CPU %4d calls %3d objects", step, r.wall.Seconds(), r.cpu.Seconds(), r.calls, r.objects)
		found[step] = append(found[step], r)
		if step == "build" && t.after != nil {
			if err := t.after(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// pause is the time before a removal. A flowbed that begins within 3 s of the end of another
// plans twice (package lease); this is not what the row shows.
const pause = 5 * time.Second

// heartbeat reports the worker to Prefect: nothing boots the instance, and up did not wait.
func (w *world) heartbeat(ctx context.Context, l *life) error {
	binary := l.tool.steps["build"][0]
	out, err := w.command(ctx, l.tool, []string{binary, "outputs", "--json"}, l.look.URL).Output()
	if err != nil {
		return fmt.Errorf("flowbed outputs: %w", err)
	}
	return w.api.HeartbeatOf(out)
}
