package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// killed is what became of a tool that was killed with SIGKILL while it was building, and was
// then run again.
type killed struct {
	tool       string
	at, writes int     // after which of its writing calls it was killed
	there      objects // after the kill
	again      string  // why a second build failed; empty: it did not
	extra      int     // objects more than after an undisturbed build, after the second one
	left       objects // after the removal
	removal    string  // why the removal failed; empty: it did not
}

// noRemoval stands for the result of a removal that the tool does not have.
const noRemoval = "none"

// points are where the tools are killed, in parts of their writing calls.
var points = []float64{1. / 3, 2. / 3}

// killAll kills each tool at each point.
func (w *world) killAll(ctx context.Context, tools []*tool) (list []killed, err error) {
	for _, t := range tools {
		writes, whole, err := w.undisturbed(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, p := range points {
			k := killed{tool: t.name, at: max(1, int(float64(writes)*p)), writes: writes}
			progress("%s: kill -9 after %d of %d writing calls", t.name, k.at, writes)
			if err := w.kill(ctx, t, &k, whole); err != nil {
				return nil, err
			}
			progress("  then %d objects; again: %q, %d too many; %d left %q", len(k.there), k.again, k.extra, len(k.left), k.removal)
			list = append(list, k)
		}
	}
	return list, nil
}

// undisturbed counts the writing calls of a build that nobody kills, and the objects after it.
func (w *world) undisturbed(ctx context.Context, t *tool) (writes, whole int, err error) {
	l, err := w.newLife(ctx, t)
	if err != nil {
		return 0, 0, err
	}
	defer l.close()
	r, err := l.run(ctx, "build")
	if err != nil {
		return 0, 0, err
	}
	writes = writing(l.front.Calls())
	if t.steps["remove"] != nil {
		_, err = l.run(ctx, "remove")
	}
	return writes, r.objects, err
}

// writing counts the calls that changed something.
func writing(calls []moto.Call) (n int) {
	for _, c := range calls {
		if !c.Reads() && c.Status < 300 {
			n++
		}
	}
	return n
}

// kill kills a build, and looks at what is there before and after the tool is run again.
func (w *world) kill(ctx context.Context, t *tool, k *killed, whole int) error {
	l, err := w.newLife(ctx, t)
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.buildUntil(ctx, k.at); err != nil {
		return err
	}
	there, err := l.objects(ctx)
	if err != nil {
		return err
	}
	k.there = there.without(l.before)
	r, err := l.run(ctx, "build")
	if k.again = reason(err); err == nil {
		k.extra = r.objects - whole
	}
	k.removal = noRemoval
	if t.steps["remove"] != nil {
		_, err = l.run(ctx, "remove")
		k.removal = reason(err)
	}
	left, err := l.objects(ctx)
	k.left = left.without(l.before)
	return err
}

// buildUntil runs a build and kills it, with all that it started, when moto has answered its
// n-th writing call. The answer does not arrive.
func (l *life) buildUntil(ctx context.Context, n int) error {
	var once sync.Once
	var group int
	started := make(chan struct{})
	door := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		l.front.ServeHTTP(reply{rw, func() {
			if writing(l.front.Calls()) < n {
				return
			}
			<-started
			once.Do(func() { _ = syscall.Kill(-group, syscall.SIGKILL) })
		}}, r)
	}))
	defer door.Close()
	l.front.Reset()
	cmd := l.world.command(ctx, l.tool, l.tool.steps["build"], door.URL)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	group = cmd.Process.Pid
	close(started)
	_ = cmd.Wait() // it was killed
	return nil
}

// reply does something before the answer leaves.
type reply struct {
	http.ResponseWriter
	before func()
}

func (r reply) WriteHeader(status int) {
	r.before()
	r.ResponseWriter.WriteHeader(status)
}

// noise is what an error of the AWS SDK has between the call and its code.
var noise = regexp.MustCompile(`https response error StatusCode: \d+, RequestID: [^,]*, (api error )?`)

// reason is the line of an error that says most.
func reason(err error) string {
	if err == nil {
		return ""
	}
	lines := strings.Split(noise.ReplaceAllString(err.Error(), ""), "\n")
	for _, mark := range []string{"Error: ", "fatal: ", "✗ ", "failed"} {
		for _, line := range lines[1:] {
			if i := strings.Index(line, mark); i >= 0 {
				return cut(strings.TrimSpace(line[i:]), 160)
			}
		}
	}
	return cut(lines[len(lines)-1], 160)
}

func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n]) + "…"
	}
	return text
}
