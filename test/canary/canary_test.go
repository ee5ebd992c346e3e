package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/test/e2e/able"
)

// asked asks all questions of a world.
func asked(t *testing.T, r *run) []result {
	t.Helper()
	results := r.askAll(t.Context(), questions())
	r.machines.watching()
	return results
}

// cleaned cleans up, and fails the test if anything is left.
func cleaned(t *testing.T, r *run, w *world, before map[string]any) {
	t.Helper()
	if l := r.clean(context.Background()); len(l.Left)+len(l.Blind)+len(l.Failed) > 0 {
		t.Errorf("after cleaning: %s", l)
	}
	if diff := cmp.Diff(before, objects(w)); diff != "" {
		t.Errorf("the account has changed (-before +after):\n%s", diff)
	}
}

// objects is what is in the account, except the role that ECS makes for itself and
// that flowbed leaves, too.
func objects(w *world) map[string]any {
	if _, err := iam.NewFromConfig(w.Config(region)).CreateServiceLinkedRole(context.Background(),
		&iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("ecs.amazonaws.com")}); err != nil && awserr.Classify(err) != awserr.Conflict {
		panic(err)
	}
	all := w.Inventory()
	apis, _ := all["prefect"].(map[string]any)
	for url, api := range apis {
		objects, _ := api.(map[string]any)
		if delete(objects, "serial"); len(objects) == 0 { // only counts what was there
			delete(apis, url)
		}
	}
	if len(apis) == 0 {
		delete(all, "prefect")
	}
	return all
}

// asInAWorldAsAssumed are the verdicts in the zero world.
func asInAWorldAsAssumed() map[string]verdict {
	want := map[string]verdict{}
	for _, q := range questions() {
		want[q.Name] = asAssumed
	}
	return want
}

func TestAsAssumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		before := objects(w)
		r := newTestRun(t, w)
		results := asked(t, r)
		if diff := cmp.Diff(asInAWorldAsAssumed(), verdicts(results)); diff != "" {
			t.Errorf("verdicts (-want +have):\n%s\n%s", diff, answers(results))
		}
		cleaned(t, r, w, before)
	})
}

// TestDiffers lets the world differ in one thing at a time. The canary notices just
// that.
func TestDiffers(t *testing.T) {
	for i, c := range []struct {
		name   string
		differ func(*world, *inProcess)
		want   map[string]verdict
		text   string // in the first answer that differs
	}{
		{"a parameter rests longer", func(w *world, _ *inProcess) { w.ParameterRest = time.Minute },
			map[string]verdict{"parameter-rest": differs}, "1m0s, with ParameterAlreadyExists"},
		{"a parameter rests for hours", func(w *world, _ *inProcess) { w.ParameterRest = time.Hour },
			map[string]verdict{"parameter-rest": differs}, "not free after 5m0s"},
		{"reads lag", func(w *world, _ *inProcess) { w.Lag = 12 * time.Second },
			map[string]verdict{"lock-history": differs}, "the slowest was shown after 12"},
		{"parameters keep fewer versions", func(w *world, _ *inProcess) {
			refuseNth(w, "ssm:PutParameter", 90, "ParameterMaxVersionLimitExceeded")
		},
			map[string]verdict{"lock-hundred": differs}, "ParameterMaxVersionLimitExceeded"},
		{"a queue rests longer", func(w *world, _ *inProcess) { w.QueueRest = 3 * time.Minute },
			map[string]verdict{"queue-rest": differs}, "3m1s"},
		{"a creation changes a queue's tags", func(w *world, _ *inProcess) { w.Retagged = true },
			map[string]verdict{"queue-tags": differs, "rule-tags": differs}, "is blue now"},
		{"ECS sends its source", func(w *world, _ *inProcess) { w.SourceWorks = true },
			map[string]verdict{"execution-role-source": differs}, "it ran, and its log arrived"},
		{"a dead-letter queue wants its source first", func(w *world, _ *inProcess) { w.KnownSources = true },
			map[string]verdict{"dead-letter-source": differs}, "it refuses: InvalidParameterValue"},
		{"an empty key is refused", func(w *world, _ *inProcess) { w.KeyStays = true },
			map[string]verdict{"queue-key": differs}, "it is refused: InvalidAttributeValue"},
		{"a target keeps its settings", func(w *world, _ *inProcess) { w.TargetsMerge = true },
			map[string]verdict{"target-settings": differs}, "InputPath"},
		{"another plan", func(w *world, _ *inProcess) { w.Plan = "TRIAL" },
			map[string]verdict{"account-plan": differs}, "TRIAL, ACTIVE"},
		{"no condition on an instance's tags", func(w *world, _ *inProcess) { w.Tagless = true },
			map[string]verdict{"command-tags": differs}, "AccessDenied"},
		{"any instance's tags", func(w *world, _ *inProcess) { w.TagsIgnored = true },
			map[string]verdict{"command-tags": differs}, "of another environment, too"},
		{"systemd does not count", func(w *world, _ *inProcess) { w.NoRestarts = true },
			map[string]verdict{"systemd-restarts": differs}, "exit-code"},
		{"the observer is deaf", func(w *world, _ *inProcess) { w.Deaf = true },
			map[string]verdict{"dead-run": differs}, "it is PENDING"},
		{"a rule ignores the group", func(w *world, _ *inProcess) { w.Unprefixed = true },
			map[string]verdict{"task-events": differs}, "another family"},
		{"another group", func(w *world, _ *inProcess) { w.OtherGroup = true },
			map[string]verdict{"task-events": differs}, `its group is "service:x"`},
		{"late events", func(w *world, _ *inProcess) { w.EventDelay = 2 * time.Minute },
			map[string]verdict{"task-events": differs}, "2m0s late"},
		{"no environment in events", func(w *world, _ *inProcess) { w.NoEnvironment = true },
			map[string]verdict{"event-environment": differs}, "is not in the event"},
		{"no tags of ended tasks", func(w *world, _ *inProcess) { w.NoTags = true },
			map[string]verdict{"event-tags": differs}, "without its tags"},
		{"tasks in a new cluster", func(w *world, _ *inProcess) { w.EarlyTask = true },
			map[string]verdict{"cluster-provisioning": differs}, "RunTask success"},
		{"no task writes", func(w *world, _ *inProcess) { w.MutePlain = true },
			map[string]verdict{"execution-role-source": notAsked}, ""},
		{"a late console", func(w *world, _ *inProcess) { w.LateConsole = true },
			map[string]verdict{"console-nitro": differs, "console-xen": differs}, "came after 11m0s"},
		{"Xen has a latest output", func(w *world, _ *inProcess) { w.XenLatest = true },
			map[string]verdict{"console-xen": differs}, "the latest output came after 50s"},
		{"Systems Manager is slow", func(w *world, _ *inProcess) { w.SlowManager = true },
			map[string]verdict{"ssm-online": differs}, "t3.micro: a command ran after 6m0s"},
		{"client tokens are good for any request", func(w *world, _ *inProcess) { w.Mismatched = true },
			map[string]verdict{"launch-token": differs, "endpoint-token": differs}, "another request: another "},
		{"zones without Fargate", func(w *world, _ *inProcess) { w.Zoneless = true },
			map[string]verdict{"fargate-zones": differs}, "use1-az1: RunTask InvalidParameterException"},
		{"a bucket blocks nothing", func(w *world, _ *inProcess) { w.Unblocked = true },
			map[string]verdict{"bucket-blocked": differs}, "it blocks []"},
		{"profiles are slow", func(w *world, _ *inProcess) { w.ProfileLag = 150 * time.Second },
			map[string]verdict{"fresh-profile": differs}, "2m30s"},
		{"a new text about profiles", func(w *world, _ *inProcess) { w.OddProfile = true },
			map[string]verdict{"fresh-profile": differs, "console-nitro": notAsked, "ssm-online": notAsked, "launch-token": notAsked,
				"systemd-restarts": notAsked, "console-xen": notAsked, "group-release": notAsked}, "The profile is too young."},
		{"profiles are ready at once", func(w *world, _ *inProcess) { w.ProfileLag = 0 },
			map[string]verdict{"fresh-profile": notAsked}, ""},
		{"any size of a task", func(w *world, _ *inProcess) { w.AnySize = true },
			map[string]verdict{"refusals": differs}, "a task size that Fargate does not have: want invalid, have success"},
		{"a new code", func(w *world, _ *inProcess) { w.StrangeRefusal = true },
			map[string]verdict{"refusals": differs, "unknown-codes": differs}, "want conflict, have LogGroupAgainException"},
		{"no policy is checked", func(w *world, _ *inProcess) { w.Lax = true },
			map[string]verdict{"caller-policy": notAsked, "command-tags": notAsked}, ""},
		{"the policy lacks something", func(_ *world, p *inProcess) { p.Drop = "ecs:CreateCluster" },
			map[string]verdict{"caller-policy": differs}, "ecs:CreateCluster"},
		{"the policy of down lacks something", func(_ *world, p *inProcess) { p.Drop = "s3:DeleteBucket" },
			map[string]verdict{"caller-policy": differs}, "s3:DeleteBucket"},
		{"hello is not there", func(w *world, _ *inProcess) { w.HelloMissing = true },
			map[string]verdict{"hello": notAsked}, ""},
		{"hello fails", func(w *world, _ *inProcess) { w.HelloFails = true },
			map[string]verdict{"hello": differs}, "CannotPullContainerError"},
		{"the agent is slow", func(w *world, _ *inProcess) { w.SetupTime = 11 * time.Minute },
			map[string]verdict{"heartbeat-t3-micro": differs, "heartbeat-t2-micro": differs}, "11m"},
		{"the agent hangs", func(w *world, _ *inProcess) { w.AgentHangs = true },
			map[string]verdict{"heartbeat-t3-micro": differs, "heartbeat-t2-micro": differs, "dead-run": notAsked}, "no heartbeat in 15m"},
		{"somebody changes the environment", func(w *world, p *inProcess) { drift(w, p) },
			map[string]verdict{"second-plan": differs, "heartbeat-t3-micro": differs, "heartbeat-t2-micro": differs}, "change log group"},
		{"the console is not readable", func(w *world, _ *inProcess) { refuse(w, "ec2:GetConsoleOutput", "InternalError") },
			map[string]verdict{"console-nitro": notAsked, "console-xen": notAsked}, ""},
	} {
		if able.Check() && i%4 != 0 {
			continue // the others run in `make test`
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				r := newTestRun(t, w)
				c.differ(w, r.program.(*inProcess))
				before := objects(w)
				results := asked(t, r)
				want := asInAWorldAsAssumed()
				for q, v := range c.want {
					want[q] = v
				}
				if diff := cmp.Diff(want, verdicts(results)); diff != "" {
					t.Errorf("verdicts (-want +have):\n%s\n%s", diff, answers(results))
				}
				for _, one := range results {
					if v, ok := c.want[one.Name]; ok && v == differs {
						if !strings.Contains(one.Text, c.text) {
							t.Errorf("%s does not say %q:\n%s", one.Name, c.text, one.Text)
						}
						break
					}
				}
				w.Lag, w.Fault = 0, nil
				cleaned(t, r, w, before)
			})
		})
	}
}

// drift lets somebody remove the tags of the environment's log group before each plan.
func drift(w *world, p *inProcess) {
	p.Before = func(verb string) {
		if verb == "plan" {
			untag(w, "/flowbed/"+p.id.Env)
		}
	}
}

// refuse lets calls fail.
func refuse(w *world, call, code string) {
	w.Fault = func(c core.Call) (f core.Fault) {
		if c.String() == call {
			f.Refuse = core.Fail(code, "refused by the test")
		}
		return f
	}
}

// refuseNth lets one call fail: the nth of its kind.
func refuseNth(w *world, call string, n int, code string) {
	w.Fault = func(c core.Call) (f core.Fault) {
		if c.String() != call {
			return f
		}
		if n--; n == 0 {
			f.Refuse = core.Fail(code, "refused by the test")
		}
		return f
	}
}

// TestBareSandbox asks the sandbox without stand-ins. What it does not emulate could not
// be asked, and nothing is as assumed without evidence.
func TestBareSandbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.bare, w.HelloMissing = true, true
		before := objects(w)
		r := newTestRun(t, w)
		results := asked(t, r)
		have := verdicts(results)
		for _, name := range []string{
			"hello", "caller-policy", "console-nitro", "ssm-online", "execution-role-source", "cluster-provisioning",
			"task-events", "event-environment", "event-tags",
		} {
			if have[name] != notAsked {
				t.Errorf("%s: %s, want %s", name, have[name], notAsked)
			}
		}
		for _, name := range []string{"second-plan", "heartbeat-t3-micro", "down", "parameter-rest", "launch-token", "group-release"} {
			if have[name] != asAssumed {
				t.Errorf("%s: %s, want %s", name, have[name], asAssumed)
			}
		}
		if t.Failed() {
			t.Log(answers(results))
		}
		l := r.clean(t.Context())
		if len(l.Left)+len(l.Blind) > 0 {
			t.Errorf("left: %s", l)
		}
		if diff := cmp.Diff(before, objects(w)); diff != "" {
			t.Errorf("the account has changed (-before +after):\n%s", diff)
		}
	})
}

// TestWithoutPrefect leaves out the questions about the worker, and only those.
func TestWithoutPrefect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		before := objects(w)
		r := newTestRun(t, w)
		r.Prefect = endpoint{}
		want := asInAWorldAsAssumed()
		for _, q := range questions() {
			if q.Prefect {
				want[q.Name] = notAsked
			}
		}
		results := asked(t, r)
		if diff := cmp.Diff(want, verdicts(results)); diff != "" {
			t.Errorf("verdicts (-want +have):\n%s\n%s", diff, answers(results))
		}
		cleaned(t, r, w, before)
	})
}

// TestOneQuestionDoesNotEndTheOthers lets questions panic and fail.
func TestOneQuestionDoesNotEndTheOthers(t *testing.T) {
	r := newTestRun(t, newWorld())
	say := func(a answer, err error) question {
		return question{Name: "x", Lane: laneNames, Ask: func(context.Context, *run) (answer, error) { return a, err }}
	}
	panics := question{Lane: laneNames, Ask: func(context.Context, *run) (answer, error) { panic("no map") }}
	results := r.askAll(t.Context(), []question{panics, say(answer{}, errors.New("no route")), say(couldNot("no %s", "luck")), say(yes("fine"))})
	want := []answer{{notAsked, "the question panicked: no map"}, {notAsked, "a step that the question needs failed: no route"}, {notAsked, "no luck"}, {asAssumed, "fine"}}
	for i, w := range want {
		if results[i].answer != w {
			t.Errorf("have %+v, want %+v", results[i].answer, w)
		}
	}
}

// TestTimeIsUp ends the questions in time, and then cleans up.
func TestTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		before := objects(w)
		r := newTestRun(t, w)
		r.Within = 20 * time.Second
		begun := time.Now()
		results := asked(t, r)
		if took := time.Since(begun); took > 25*time.Second {
			t.Errorf("the questions took %s", took)
		}
		for _, one := range results {
			if one.Name == "parameter-rest" && (one.Verdict != notAsked || !strings.Contains(one.Text, "20s, was up")) {
				t.Errorf("%s: %s: %s", one.Name, one.Verdict, one.Text)
			}
		}
		cleaned(t, r, w, before)
	})
}

// TestKilled ends a run at many moments without any cleaning, as kill -9 does. Another
// run that knows only the name removes everything.
func TestKilled(t *testing.T) {
	moments := []time.Duration{0, 1, 9, 16, 25, 33, 50, 80, 130, 200, 290, 420, 700}
	if able.Check() {
		moments = moments[5:9] // the others run in `make test`
	}
	for _, after := range moments {
		t.Run(fmt.Sprint(after*time.Second), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				before := objects(w)
				r := newTestRun(t, w)
				ctx, kill := context.WithTimeout(t.Context(), after*time.Second)
				defer kill()
				r.askAll(ctx, questions())
				r.machines.watching()
				if after > 0 && cmp.Equal(before, objects(w)) {
					t.Fatal("there is nothing to remove")
				}
				cleaned(t, newTestRun(t, w), w, before)
			})
		})
	}
}

// TestCleansDeployments: with a deployment in it, down would leave the work pool.
func TestCleansDeployments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		before := objects(w)
		r := newTestRun(t, w)
		if err := r.build(t.Context()); err != nil {
			t.Fatal(err)
		}
		api, err := r.api()
		if err != nil {
			t.Fatal(err)
		}
		flow, err := api.CreateFlow(t.Context(), r.object("dead"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := api.CreateDeployment(t.Context(), r.sleeper(flow)); err != nil {
			t.Fatal(err)
		}
		cleaned(t, newTestRun(t, w), w, before)
	})
}

// TestRestartsScript checks the script that runs on an instance.
func TestRestartsScript(t *testing.T) {
	shellcheck := able.Tool(t, "shellcheck")
	cmd := exec.CommandContext(t.Context(), shellcheck, "--shell=sh", "-")
	cmd.Stdin = strings.NewReader(restarts)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func named(name string) question {
	all := questions()
	return all[slices.IndexFunc(all, func(q question) bool { return q.Name == name })]
}

// noSignals is for tests: nobody presses Ctrl-C.
func noSignals(ctx context.Context) (context.Context, func()) {
	return context.WithoutCancel(ctx), func() {}
}

// TestLeft says what could not be removed or looked for, and ends with an error.
func TestLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		refuse(w, "s3:DeleteBucket", "AccessDenied")
		r := newTestRun(t, w)
		var out strings.Builder
		err := r.whole(t.Context(), noSignals, []question{named("bucket-rest")}, &out)
		if err == nil || !strings.Contains(err.Error(), "--clean canary-x7k2p9") {
			t.Errorf("have %v, want how to go on", err)
		}
		for _, want := range []string{"1 left", "- left: bucket canary-x7k2p9-probe-[account]-us-east-1-an", "- could not remove: bucket"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the report does not say %q:\n%s", want, out.String())
			}
		}
	})
}

// TestConfirm shows the account on the terminal only, and starts nothing without a yes.
func TestConfirm(t *testing.T) {
	for said, starts := range map[string]bool{"yes\n": true, "y\n": false, "no\n": false, "": false, "yes": true} {
		w := newWorld()
		r := newTestRun(t, w)
		var terminal strings.Builder
		err := confirm(t.Context(), r, flags{within: 40 * time.Minute}, strings.NewReader(said), &terminal)
		if (err == nil) != starts {
			t.Errorf("%q: have %v, want a start: %t", said, err, starts)
		}
		for _, want := range []string{core.DefaultAccount, "t3.micro", "--clean canary-x7k2p9"} {
			if !strings.Contains(terminal.String(), want) {
				t.Errorf("the terminal does not show %q:\n%s", want, terminal.String())
			}
		}
		if n := len(w.Writes()); n > 0 {
			t.Errorf("%d writes", n)
		}
	}
}

// TestReady refuses an account with environments.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestRun(t, newWorld())
		if err := r.ready(t.Context(), flags{}); err != nil {
			t.Errorf("an empty account: %v", err)
		}
		if err := r.build(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.ready(t.Context(), flags{}); err == nil || !strings.Contains(err.Error(), "canary-x7k2p9") {
			t.Errorf("an account with an environment: have %v", err)
		}
		if err := r.ready(t.Context(), flags{beside: true}); err != nil {
			t.Errorf("with --beside: %v", err)
		}
	})
}

// TestCleanTakesOnlyItsNames keeps --clean from removing somebody's environment.
func TestCleanTakesOnlyItsNames(t *testing.T) {
	for _, name := range []string{"prod", "canary-", "canary-x7k2p9/../prod", "canary-x7k2p90"} {
		err := start(t.Context(), noSignals, flags{clean: name}, strings.NewReader(""), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "want the name of a run") {
			t.Errorf("%s: have %v", name, err)
		}
	}
	for range 100 {
		if name := newName(); !canaryName.MatchString(name) {
			t.Errorf("%s is not a name that --clean takes", name)
		}
	}
}

// TestBill keeps the run cheap.
func TestBill(t *testing.T) {
	text := bill(40 * time.Minute)
	var cents float64
	if _, err := fmt.Sscanf(text[strings.LastIndex(text, "$"):], "$%f", &cents); err != nil || cents > 0.20 || cents < 0.01 {
		t.Errorf("it costs $%.3f, %v:\n%s", cents, err, text)
	}
}

// TestCodes reads the codes of errors in the output of flowbed -v.
func TestCodes(t *testing.T) {
	c := new(codes)
	c.read("  call IAM GetRole: NoSuchEntity (12ms)\n  call CloudWatch Logs CreateLogGroup: SomethingNew (1s)\nup: call it: a day (1)\n" +
		"  call EC2 DescribeVpcs: ok (3ms)\n  call ECS RunTask: failed (3ms)\n  call IAM GetRole: NoSuchEntity (2ms)\n")
	all, count := c.list()
	have := map[string]string{}
	for _, k := range all {
		have[k.String()] = fmt.Sprint(className(k.Class), " ", count[k])
	}
	want := map[string]string{"IAM GetRole: NoSuchEntity": "absent 2", "CloudWatch Logs CreateLogGroup: SomethingNew": "unknown 1"}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}
