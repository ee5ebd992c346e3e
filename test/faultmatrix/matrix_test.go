package faultmatrix_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/faultmatrix"
)

var update = flag.Bool("update", false, "write docs/fault-matrix.md")

const document = "../../docs/fault-matrix.md"

// census lists the objects of each kind. Objects with an id instead of a name are
// only counted.
func census(inventory map[string]any) map[string]string {
	found := map[string]string{}
	for service, v := range inventory {
		kinds, _ := v.(map[string]any)
		switch name, _, _ := strings.Cut(service, " "); name {
		case "s3", "logs", "ssm": // have only one kind
			kinds = map[string]any{"": kinds}
		}
		for kind, v := range kinds {
			if objects, ok := v.(map[string]any); ok {
				found[strings.TrimSpace(service+" "+kind)] = named(objects)
			}
		}
	}
	return found
}

// named returns the names of objects, or their number if they have ids.
func named(objects map[string]any) string {
	names := slices.Sorted(maps.Keys(objects))
	if kind, hex, ok := strings.Cut(names[0], "-"); ok && len(hex) == 17 {
		return fmt.Sprintf("%d %s", len(names), kind)
	}
	if strings.Contains(names[0], ":task/") {
		return fmt.Sprintf("%d tasks", len(names))
	}
	for i, name := range names { // which revision of a task definition there is does not matter
		names[i] = revision.ReplaceAllString(name, "")
	}
	return strings.Join(names, ", ")
}

var revision = regexp.MustCompile(`:\d+$`)

// settle waits longer than any lag.
func (w *world) settle() { time.Sleep(2 * time.Minute) }

// finish runs up, checks that the environment is complete, runs down, and checks that
// it is gone.
func (w *world) finish(what string, before map[string]any, want map[string]string) {
	w.Helper()
	if err := w.process("dev").up(w.Context()); err != nil {
		w.Errorf("%s: the next up: %v", what, err)
		return
	}
	w.settle()
	w.wantComplete(what, want)
	w.clear(what, before)
}

func (w *world) wantComplete(what string, want map[string]string) {
	w.Helper()
	plan, err := w.process("dev").stack(false).Graph.Plan(w.Context())
	if err != nil || plan.Err() != nil || !plan.Empty() {
		w.Errorf("%s: plan after up: have %+v, %v, want an empty plan", what, plan, err)
	}
	if d := cmp.Diff(want, census(w.account.Inventory())); want != nil && d != "" {
		w.Errorf("%s: the objects after up (-want +have):\n%s", what, d)
	}
}

// clear runs down and checks that the account is as it was before.
func (w *world) clear(what string, before map[string]any) {
	w.Helper()
	if err := w.process("dev").down(w.Context()); err != nil {
		w.Errorf("%s: down: %v", what, err)
	}
	w.settle()
	if d := cmp.Diff(before, w.account.Inventory()); d != "" {
		w.Errorf("%s: the account has changed (-before +after):\n%s", what, d)
	}
	if n := w.prefect.Workers("flowbed-dev"); len(n) > 0 || w.prefect.Pool("flowbed-dev") != nil {
		w.Errorf("%s: Prefect still has the pool, or the workers %v", what, n)
	}
	out, err := ecs.NewFromConfig(w.account.Config(region)).ListTaskDefinitions(w.Context(), &ecs.ListTaskDefinitionsInput{
		FamilyPrefix: aws.String("flowbed-dev-worker"), Status: types.TaskDefinitionStatusInactive,
	})
	if err != nil || len(out.TaskDefinitionArns) > 0 {
		w.Errorf("%s: the deregistered task definitions are %v, %v, want none", what, out.TaskDefinitionArns, err)
	}
}

// use adds to the bucket what flows leave there: objects, an old version, and an
// unfinished upload.
func (w *world) use() {
	w.Helper()
	api := s3.NewFromConfig(w.account.Config(region))
	bucket := aws.String("flowbed-dev-" + sandbox.DefaultAccount + "-" + region + "-an")
	for _, key := range []string{"flow.py", "flow.py", "result"} {
		in := &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader("x")}
		if _, err := api.PutObject(w.Context(), in); err != nil {
			w.Fatal(err)
		}
	}
	in := &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("large")}
	if _, err := api.CreateMultipartUpload(w.Context(), in); err != nil {
		w.Fatal(err)
	}
}

// clean is a life without faults: the writes of up, of an up that changes the environment, and
// of down, and the objects after up.
type clean struct {
	up, change, down []string
	want             map[string]string
	calls            map[string]int // by verb
}

func (w *world) clean(prepare func(*world)) (c clean) {
	w.Helper()
	prepare(w)
	before := w.account.Inventory()
	up, down := w.process("dev"), w.process("dev")
	if err := up.up(w.Context()); err != nil {
		w.Fatalf("up: %v", err)
	}
	w.settle()
	if text := changes[w.text]; text != "" {
		w.text = text
		change := w.process("dev")
		if err := change.up(w.Context()); err != nil {
			w.Fatalf("up with another file: %v", err)
		}
		w.settle()
		c.change = change.writes()
	}
	c.want = census(w.account.Inventory())
	w.wantComplete("undisturbed", c.want)
	w.use()
	if err := down.down(w.Context()); err != nil {
		w.Fatalf("down: %v", err)
	}
	w.settle()
	if d := cmp.Diff(before, w.account.Inventory()); d != "" {
		w.Fatalf("without a fault: the account has changed (-before +after):\n%s", d)
	}
	c.up, c.down = up.writes(), down.writes()
	c.calls = map[string]int{"up": len(up.order), "down": len(down.order)}
	return c
}

// try injects one fault at one call of a run, and returns the outcome.
func (w *world) try(verb, key string, f faultmatrix.Fault, c clean, prepare func(*world)) string {
	w.Helper()
	what := fmt.Sprintf("%s: %s at %s", verb, f, key)
	prepare(w)
	before := w.account.Inventory()
	o := &once{key: key, fault: f}
	w.first(what, verb)
	p := w.process("dev")
	p.alter = o.alter
	run := p.up
	if verb == "down" {
		run = p.down
	}
	if f.Sleeps() {
		run = func(ctx context.Context) error { return p.leased(ctx, strings.Replace(verb, "change", "up", 1)) }
	}
	verdict := faultmatrix.GoesOn
	err := run(w.Context())
	if err != nil {
		verdict = faultmatrix.NextRun
	}
	if f.Sleeps() {
		p.wantLost(what, err)
	}
	if !o.happened {
		w.Errorf("%s: the run did not make this call", what)
	}
	if verb == "down" {
		// EC2 may still show a dead instance as running, and it would pass for the
		// agent.
		time.Sleep(w.account.Lag)
	}
	w.finish(what, before, c.want)
	return verdict
}

// first does what comes before a run.
func (w *world) first(what, verb string) {
	w.Helper()
	if verb == "up" {
		return
	}
	up := func() {
		if err := w.process("dev").up(w.Context()); err != nil {
			w.Fatalf("%s: the up before it: %v", what, err)
		}
		w.settle()
	}
	up()
	if text := changes[w.text]; text != "" {
		w.text = text
		if verb == "down" {
			up()
		}
	}
	if verb == "down" {
		w.use()
	}
}

// wantLost checks a process that woke up after the end of its lease: it says so, and has not
// made a single write since.
func (p *process) wantLost(what string, err error) {
	p.Helper()
	if _, lost := errors.AsType[*lease.LostError](err); !lost {
		p.Errorf("%s: have %v, want that the lock was lost", what, err)
	}
	for _, c := range p.order[p.woke:] {
		if c.write {
			p.Errorf("%s: after the end of its lock, the run made the write %s", what, c.key)
		}
	}
}

// abandon runs down right after a crash, as somebody who gives up would.
func (w *world) abandon(verb, key string, f faultmatrix.Fault, prepare func(*world)) {
	w.Helper()
	what := fmt.Sprintf("%s: %s at %s, then down", verb, f, key)
	prepare(w)
	before := w.account.Inventory()
	w.first(what, verb)
	p := w.process("dev")
	p.alter = (&once{key: key, fault: f}).alter
	if verb == "down" {
		_ = p.down(w.Context())
	} else {
		_ = p.up(w.Context())
	}
	time.Sleep(w.account.Lag) // down cannot remove what reads do not show yet
	w.clear(what, before)
}

// bubble runs f in virtual time, in its own world.
func bubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newWorld(t)) })
}

// kind is a kind of account in which the matrix runs.
type kind struct {
	name    string
	faults  []faultmatrix.Fault
	prepare func(*world)

	// large is an account in which each life takes long. Down right after a crash is tried
	// elsewhere.
	large bool
}

// hard lists the faults after which the process does not know what exists. The other
// faults differ little between the kinds of accounts.
var hard = []faultmatrix.Fault{faultmatrix.KilledBefore, faultmatrix.KilledAfter, faultmatrix.NoReply}

var kinds = []kind{
	{name: "empty", faults: faultmatrix.Faults, prepare: func(*world) {}},
	{name: "shared", faults: hard, prepare: func(w *world) {
		// Another environment has created the account-wide role and cluster.
		if err := w.process("other").up(w.Context()); err != nil {
			w.Fatalf("up of the other environment: %v", err)
		}
	}},
	{name: "slow", faults: hard, prepare: (*world).slow},
}

// networks are accounts whose environment has a VPC of its own. Their tables have the calls that
// another environment does not make. The company has the faults that the first one lacks.
var networks = []kind{
	{name: "network", faults: without(faultmatrix.Faults, company.faults), prepare: func(w *world) { w.text = ownNetwork }},
	{name: "slow network", faults: hard, prepare: func(w *world) {
		w.text = ownNetwork
		w.slow()
	}},
}

func without(faults, others []faultmatrix.Fault) []faultmatrix.Fault {
	return slices.DeleteFunc(slices.Clone(faults), func(f faultmatrix.Fault) bool { return slices.Contains(others, f) })
}

// ofNetwork returns the calls that are about the network.
func ofNetwork(keys []string) []string {
	return slices.DeleteFunc(keys, func(key string) bool {
		return !strings.HasPrefix(key, "ec2:") || strings.Contains(key, "SecurityGroup")
	})
}

// service is an account whose environment has its agent in a service. Its tables have the calls
// that another environment does not make.
var service = kind{name: "service", faults: faultmatrix.Faults, prepare: func(w *world) {
	w.text, w.blocks = serving, ""
	w.account.TaskTime, w.account.StopTime, w.account.HealthTime = 15*time.Second, 10*time.Second, 10*time.Second
}}

// ofService returns the calls that are about the service.
func ofService(keys []string) []string {
	return slices.DeleteFunc(keys, func(key string) bool { return !strings.Contains(key, "flowbed-dev-worker") })
}

func (w *world) slow() {
	w.account.Lag, w.account.ProfileLag, w.account.BootTime = 10*time.Second, 20*time.Second, 30*time.Second
	w.account.ReuseLag, w.account.ParameterRest, w.account.FirstCluster = 40*time.Second, 30*time.Second, true
	w.account.QueueRest, w.account.QueueStart = time.Minute, time.Second
}

// ownNetwork is an environment of which the network has a VPC of its own.
const ownNetwork = `
environment "%s" {
  network {
    vpc = "new"
    nat = "single"
    endpoints = ["s3", "logs"]
  }
}
%.0s`

// TestEachCall injects each fault at each write, one at a time. Under `make check`
// each call gets one fault, and the faults take turns.
func TestEachCall(t *testing.T) {
	eachCall(t, kinds, func(c clean) map[string][]string { return map[string][]string{"up": c.up, "down": c.down} })
}

// TestEachCallOfService does the same for the calls that are about an agent's service.
func TestEachCallOfService(t *testing.T) {
	eachCall(t, []kind{service}, func(c clean) map[string][]string {
		return map[string][]string{"up": ofService(c.up), "change": ofService(c.change), "down": ofService(c.down)}
	})
}

// TestEachCallOfNetwork does the same for the calls that are about a network of its own.
func TestEachCallOfNetwork(t *testing.T) {
	eachCall(t, networks, func(c clean) map[string][]string {
		return map[string][]string{"up": ofNetwork(c.up), "down": ofNetwork(c.down)}
	})
}

// eachCall tries the calls of runs, by verb, and compares the outcomes with the document.
func eachCall(t *testing.T, kinds []kind, calls func(clean) map[string][]string) {
	type part struct {
		kind
		table faultmatrix.Table
	}
	found := map[string]part{}
	var mu sync.Mutex
	t.Run("in", func(t *testing.T) {
		for _, k := range kinds {
			var c clean
			bubble(t, func(w *world) { c = w.clean(k.prepare) })
			for verb, keys := range calls(c) {
				t.Run(k.name+" "+verb, func(t *testing.T) {
					t.Parallel()
					table := goThrough(t, verb, keys, c, k)
					mu.Lock()
					defer mu.Unlock()
					found[k.name+" "+verb] = part{k, table}
				})
			}
		}
	})
	if t.Failed() {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if p := found[name]; inFull() {
			wantDocument(t, name, p.table.Markdown(p.faults))
		} else {
			wantCells(t, name, p.table, p.faults)
		}
	}
}

// inFull reports whether each call gets every fault.
func inFull() bool { return !able.Check() || *update }

func goThrough(t *testing.T, verb string, keys []string, c clean, k kind) faultmatrix.Table {
	table := faultmatrix.Table{}
	for i, key := range keys {
		for j, f := range k.faults {
			if !inFull() && i%len(k.faults) != j {
				continue
			}
			t.Run(f.String()+" "+key, func(t *testing.T) {
				bubble(t, func(w *world) { table.Set(key, f, w.try(verb, key, f, c, k.prepare)) })
				if (f.Kills() || f == faultmatrix.NoReply) && !k.large {
					bubble(t, func(w *world) { w.abandon(verb, key, f, k.prepare) })
				}
			})
		}
	}
	return table
}

// wantDocument compares a part of the published matrix with the result, or writes it.
func wantDocument(t *testing.T, part, have string) {
	t.Helper()
	if *update {
		if err := faultmatrix.Replace(document, part, have); err != nil {
			t.Error(err)
		}
		return
	}
	want, err := faultmatrix.Part(document, part)
	if err != nil {
		t.Error(err)
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("%s, %s is out of date; run go test -update (-document +found):\n%s", document, part, d)
	}
}

// wantCells compares some cells of a part, and all of its rows.
func wantCells(t *testing.T, part string, found faultmatrix.Table, faults []faultmatrix.Fault) {
	t.Helper()
	text, err := faultmatrix.Part(document, part)
	if err != nil {
		t.Fatal(err)
	}
	published := faultmatrix.Parse(text, faults)
	if d := cmp.Diff(slices.Sorted(maps.Keys(published)), slices.Sorted(maps.Keys(found))); d != "" {
		t.Errorf("%s, %s: the calls are out of date; run go test -update (-document +found):\n%s", document, part, d)
	}
	for key, row := range found {
		for f, verdict := range row {
			if want := published[key][f]; want != verdict {
				t.Errorf("%s, %s: %s at %s: have %s, want %q; run go test -update", document, part, f, key, verdict, want)
			}
		}
	}
}
