package stack_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/prefecttest"
)

// resultsFile is an environment that stores results, or not.
func resultsFile(flows string) string {
	return "environment \"dev\" {\n" + noSecret + "\nflows {\n" + flows + "\n}\n}"
}

const resultsOn = "results = true"

// resultsWorld is an account and a Prefect server.
type resultsWorld struct {
	*testing.T
	account *sandbox.Account
	server  *prefecttest.Server
	api     *prefect.Client
}

func newResults(t *testing.T) *resultsWorld {
	w := &resultsWorld{T: t, account: sandbox.New(), server: prefecttest.New()}
	var err error
	if w.api, err = prefect.New(prefect.Config{URL: "https://prefect.example.com/api", Transport: w.server}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *resultsWorld) stack(text string, o stack.Options) *stack.Stack {
	o.Transport = w.server
	return build(w.T, w.account, text, o)
}

func (w *resultsWorld) up(text string) {
	w.Helper()
	if err := w.stack(text, stack.Options{}).Graph.Up(w.Context()); err != nil {
		w.Fatal(err)
	}
	if list := changesOf(w.T, w.stack(text, stack.Options{})); len(list) > 0 {
		w.Errorf("up again would change %q", list)
	}
}

// block is the data of the environment's block; nil if there is none.
func (w *resultsWorld) block() map[string]any {
	w.Helper()
	b, err := w.api.ReadBlock(w.Context(), "flowbed-dev")
	if err != nil && !strings.Contains(err.Error(), "not found") {
		w.Fatal(err)
	}
	return b.Data
}

// env is the environment that the pool gives to tasks.
func (w *resultsWorld) env() map[string]any {
	w.Helper()
	p, err := w.api.ReadPool(w.Context(), "flowbed-dev")
	if err != nil {
		w.Fatal(err)
	}
	env, _ := p.Template.Default("env").(map[string]any)
	return env
}

const resultBlock, persist = "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK", "PREFECT_RESULTS_PERSIST_BY_DEFAULT"

// TestResults turns the storage on, repairs the block, turns it off, and removes all.
func TestResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newResults(t)
		w.up(resultsFile(""))
		w.server.Calls()
		if changesOf(t, w.stack(resultsFile(""), stack.Options{})); slices.ContainsFunc(w.server.Calls(), func(c string) bool { return strings.Contains(c, "block") }) {
			t.Error("without results, flowbed looks for a block")
		}
		want := []string{"result storage: bucket", "result storage: folder", "work pool: env." + resultBlock, "work pool: env." + persist}
		if have := changesOf(t, w.stack(resultsFile(resultsOn), stack.Options{})); !slices.Equal(without(have, "log group"), want) {
			t.Errorf("the plan changes %q, want %q", have, want)
		}
		w.up(resultsFile(resultsOn))
		if b := w.block(); b["bucket_name"] != "flowbed-dev-123456789012-eu-central-1-an" || b["bucket_folder"] != "results" || b["credentials"] != nil {
			t.Errorf("the block is %v", b)
		}
		if env := w.env(); env[resultBlock] != "s3-bucket/flowbed-dev" || env[persist] != "true" {
			t.Errorf("the environment of tasks is %v", env)
		}
		b, err := w.api.ReadBlock(t.Context(), "flowbed-dev")
		if err == nil {
			err = w.api.EditBlock(t.Context(), b.ID, map[string]any{"bucket_folder": "elsewhere", "credentials": "theirs"})
		}
		if err != nil {
			t.Fatal(err)
		}
		if have := changesOf(t, w.stack(resultsFile(resultsOn), stack.Options{})); !slices.Equal(have, []string{"result storage: folder"}) {
			t.Errorf("the plan changes %q", have)
		}
		w.up(resultsFile(resultsOn))
		if b := w.block(); b["bucket_folder"] != "results" || b["credentials"] != "theirs" {
			t.Errorf("the block is %v", b)
		}
		w.up(resultsFile(resultsOn + "\nenv = { " + persist + " = \"false\" }"))
		if env := w.env(); env[persist] != "false" {
			t.Errorf("the environment of tasks is %v", env)
		}
		w.up(resultsFile(""))
		if w.block() != nil || w.env()[resultBlock] != nil {
			t.Errorf("the block is %v, the environment %v", w.block(), w.env())
		}
		w.up(resultsFile(resultsOn))
		w.goes(resultsFile(resultsOn))
	})
}

func without(list []string, step string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.HasPrefix(s, step) })
}

// goes removes the environment, and checks that nothing is left.
func (w *resultsWorld) goes(text string) {
	w.Helper()
	left, err := w.stack(text, stack.Options{Destroy: true}).Graph.Down(w.Context())
	if err != nil || !left.Empty() {
		w.Errorf("down: %v, left %+v", err, left.Actions)
	}
	if b := w.block(); b != nil {
		w.Errorf("down left the block %v", b)
	}
	if have := contents(w.T, w.account); strings.Contains(have, "flowbed:") {
		w.Errorf("down left %s", have)
	}
}

// TestResultsDown: down finds the block by the log group's tags if the file does not say it.
func TestResultsDown(t *testing.T) {
	for _, text := range []string{resultsFile(""), `environment "dev" {}`} {
		synctest.Test(t, func(t *testing.T) {
			w := newResults(t)
			w.up(resultsFile(resultsOn))
			w.goes(text)
		})
	}
}

// TestResultsOfOthers: a block of somebody else with the same name stops up before it writes
// anything, and down leaves it.
func TestResultsOfOthers(t *testing.T) {
	w := newResults(t)
	if err := w.api.CreateBlock(t.Context(), "flowbed-dev", map[string]any{"bucket_name": "theirs"}); err != nil {
		t.Fatal(err)
	}
	p, err := w.stack(resultsFile(resultsOn), stack.Options{}).Graph.Plan(t.Context())
	if err != nil || p.Err() == nil || !strings.Contains(p.Err().Error(), "result storage") {
		t.Errorf("the plan: %v, %v", err, p.Err())
	}
	if err := w.stack(resultsFile(resultsOn), stack.Options{}).Graph.Up(t.Context()); err == nil || len(w.account.Writes()) > 0 {
		t.Errorf("up: %v, and the writes %v", err, w.account.Writes())
	}
	if _, err := w.stack(resultsFile(resultsOn), stack.Options{Destroy: true}).Graph.Down(t.Context()); err != nil {
		t.Errorf("down: %v", err)
	}
	if b := w.block(); b["bucket_name"] != "theirs" {
		t.Errorf("the block is %v", b)
	}
}

// TestResultsNoType: a server that does not know the type says how to register it.
func TestResultsNoType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newResults(t)
		w.server.Fail = func(r *http.Request) int {
			if strings.HasSuffix(r.URL.Path, "/block_types/slug/s3-bucket") {
				return http.StatusNotFound
			}
			return 0
		}
		err := w.stack(resultsFile(resultsOn), stack.Options{}).Graph.Up(t.Context())
		if err == nil || !strings.Contains(err.Error(), "prefect block register -m prefect_aws") {
			t.Errorf("up: %v", err)
		}
		w.server.Fail = nil
		w.up(resultsFile(resultsOn))
	})
}

// TestResultsUnreachable: down goes on if Prefect does not answer, and names the block.
func TestResultsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newResults(t)
		w.up(resultsFile(resultsOn))
		w.server.Fail = func(*http.Request) int { return http.StatusServiceUnavailable }
		p, err := w.stack(resultsFile(resultsOn), stack.Options{Destroy: true}).Graph.PlanDown(t.Context())
		if err != nil || p.Err() != nil {
			t.Fatal(err, p.Err())
		}
		i := slices.IndexFunc(p.Actions, func(a provision.Action) bool { return a.Step == "result storage" })
		if i < 0 || !strings.Contains(notes(p.Actions[i]), "prefect block delete s3-bucket/flowbed-dev") {
			t.Errorf("the plan: %+v", p.Actions)
		}
	})
}
