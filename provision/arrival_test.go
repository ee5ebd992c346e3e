package provision_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// town is a world in which several environments share a well.
type town struct {
	*testing.T
	w      *world
	settle time.Duration
}

// slow is a world whose changes are visible late, with a Settle that covers that.
var pace = map[string]struct{ lag, settle time.Duration }{"at once": {}, "late": {10 * time.Second, 15 * time.Second}}

func inTowns(t *testing.T, f func(town)) {
	t.Helper()
	for name, p := range pace {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.delay, w.lag = 10*time.Millisecond, p.lag
				f(town{t, w, p.settle})
			})
		})
	}
}

func (v town) graph(me string) *provision.Graph {
	g, _ := graph(me)
	g.Settle = v.settle
	provision.Add(g, "well", provision.Share, thing{w: v.w, Name: "well", Me: me, Value: "deep", Shared: true})
	return g
}

// run is up or down of an environment, for example "up a".
func (v town) run(command string) error {
	verb, me, _ := strings.Cut(command, " ")
	g := v.graph(me)
	if verb == "up" {
		return g.Up(v.Context())
	}
	left, err := g.Down(v.Context())
	if err == nil && !left.Empty() {
		err = fmt.Errorf("left: %+v", left)
	}
	return err
}

func (v town) must(commands ...string) {
	v.Helper()
	for _, c := range commands {
		if err := v.run(c); err != nil {
			v.Errorf("%s: %v", c, err)
		}
		time.Sleep(time.Minute) // all see it
	}
}

// wantWhole checks that exactly these environments use the well, and that it works.
func (v town) wantWhole(what string, envs ...string) {
	v.Helper()
	o, there := v.w.snapshot()["well"]
	slices.Sort(o.Claims)
	if !slices.Equal(o.Claims, envs) || there != (len(envs) > 0) || there && o.Value != "deep" || len(o.Marks) > 0 {
		v.Errorf("%s: the well is there: %t, %+v; want it for %v", what, there, o, envs)
	}
}

// stop makes a run wait before its nth call, or die there.
type stop struct {
	me   string
	nth  int
	kill bool

	mu      sync.Mutex
	calls   int
	call    string        // at which the run is
	reached chan struct{} // closed when it is there
	resume  chan struct{}
}

func (v town) stopAt(me string, nth int, kill bool) *stop {
	s := &stop{me: me, nth: nth, kill: kill, reached: make(chan struct{}), resume: make(chan struct{})}
	v.w.hold = func(me, call string) {
		s.mu.Lock()
		s.calls++
		if me != s.me {
			s.calls--
		}
		here := me == s.me && s.calls == s.nth
		if here {
			s.call = call
		}
		s.mu.Unlock()
		if here {
			close(s.reached)
			<-s.resume
		}
	}
	return s
}

// against runs a command that is held before its nth call, and the others from start to end in
// the meantime. It returns false if the command has fewer calls.
func (v town) against(nth int, held string, others ...string) (call string, more bool) {
	v.Helper()
	_, me, _ := strings.Cut(held, " ")
	s := v.stopAt(me, nth, false)
	ended := make(chan error, 1)
	go func() { ended <- v.run(held) }()
	select {
	case err := <-ended:
		if err != nil {
			v.Errorf("%s: %v", held, err)
		}
		return "", false
	case <-s.reached:
	}
	for _, o := range others {
		if err := v.run(o); err != nil {
			v.Errorf("%s before %s waits: %s: %v", held, s.call, o, err)
		}
	}
	close(s.resume)
	if err := <-ended; err != nil {
		v.Errorf("%s, held before %s: %v", held, s.call, err)
	}
	time.Sleep(time.Minute)
	return s.call, true
}

// meetings are two environments that come or go at the same time, and who is there afterwards.
var meetings = []struct {
	before []string
	runs   [2]string
	after  []string
}{
	{[]string{"up b"}, [2]string{"down b", "up a"}, []string{"a"}},
	{[]string{"up a"}, [2]string{"down a", "up b"}, []string{"b"}},
	{[]string{"up c", "up b", "down c"}, [2]string{"down b", "up a"}, []string{"a"}},
	{[]string{"up a", "up b"}, [2]string{"down a", "down b"}, nil},
	{[]string{"up a", "up b", "up c"}, [2]string{"down a", "down b"}, []string{"c"}},
	{[]string{"up a", "up b"}, [2]string{"down b", "up c"}, []string{"a", "c"}},
	{nil, [2]string{"up a", "up b"}, []string{"a", "b"}},
}

// TestMeetings holds each of two runs before each of its calls while the other one runs
// from start to end. Afterwards the one that arrived has the well, and the one that left has
// not. The last one to leave deletes it.
func TestMeetings(t *testing.T) {
	for _, m := range meetings {
		for i, held := range m.runs {
			t.Run(held+" is held, "+m.runs[1-i], func(t *testing.T) {
				inTowns(t, func(v town) {
					for nth, more := 1, true; more; nth++ {
						v.w.hold = nil
						v.must(m.before...)
						var call string
						if call, more = v.against(nth, held, m.runs[1-i]); !more {
							v.must(m.runs[1-i])
							if nth < 3 {
								v.Errorf("%s makes %d calls", held, nth-1)
							}
						}
						v.w.hold = nil
						v.wantWhole(fmt.Sprintf("%s held before call %d, %s", held, nth, call), m.after...)
						for _, env := range m.after {
							v.must("down " + env)
						}
						v.wantWhole("in the end")
					}
				})
			})
		}
	}
}

// TestThirdInTheMiddle holds a run that leaves, while others come and go.
func TestThirdInTheMiddle(t *testing.T) {
	for _, c := range []struct {
		before []string
		held   string
		others []string
		after  string
	}{
		{[]string{"up b"}, "down b", []string{"up a", "down a", "up c"}, "c"},
		{[]string{"up b", "up c"}, "down b", []string{"down c", "up a"}, "a"},
		{[]string{"up b", "up c"}, "down c", []string{"down b", "up a"}, "a"},
	} {
		t.Run(c.held+" is held, "+strings.Join(c.others, ", "), func(t *testing.T) {
			inTowns(t, func(v town) {
				for nth, more := 1, true; more; nth++ {
					v.w.hold = nil
					v.must(c.before...)
					var call string
					if call, more = v.against(nth, c.held, c.others...); !more {
						v.must(c.others...)
					}
					v.w.hold = nil
					v.wantWhole("held before "+call, c.after)
					v.must("down " + c.after)
					v.wantWhole("in the end")
				}
			})
		})
	}
}

// TestOneDeletes: of two that leave in step, only one may delete the well. It is held before
// that, until the other one has gone and a third one has come.
func TestOneDeletes(t *testing.T) {
	for _, held := range []string{"b", "c"} {
		inTowns(t, func(v town) {
			v.must("up b", "up c")
			other := map[string]string{"b": "c", "c": "b"}[held]
			resume := make(chan struct{})
			stop := sync.OnceFunc(func() { <-resume })
			v.w.hold = func(me, call string) {
				if me == held && call == "delete well" {
					stop()
				}
			}
			ended := map[string]chan error{}
			for _, me := range []string{"b", "c"} {
				done := make(chan error, 1)
				ended[me] = done
				go func() { done <- v.run("down " + me) }()
			}
			if err := <-ended[other]; err != nil {
				v.Errorf("down %s: %v", other, err)
			}
			if err := v.run("up a"); err != nil {
				v.Error(err)
			}
			close(resume)
			if err := <-ended[held]; err != nil {
				v.Errorf("down %s: %v", held, err)
			}
			v.w.hold = nil
			time.Sleep(time.Minute)
			v.wantWhole(held+" is held", "a")
		})
	}
}

var errDead = errors.New("the process is dead")

// TestDiesWhileOthersMeet kills a run before and after each of its calls. The other one is
// whole at once. The dead one's next run completes its work, and the last one to leave
// deletes the well.
func TestDiesWhileOthersMeet(t *testing.T) {
	for _, m := range meetings {
		for i, dies := range m.runs {
			other := m.runs[1-i]
			t.Run(dies+" dies, "+other, func(t *testing.T) {
				inTowns(t, func(v town) {
					for nth, more := 1, true; more; nth++ {
						for _, after := range []bool{false, true} {
							v.must(m.before...)
							more = v.dies(dies, nth, after)
							if err := v.run(other); err != nil {
								v.Errorf("%s died at write %d: %s: %v", dies, nth, other, err)
							}
							verb, me, _ := strings.Cut(other, " ")
							if o := v.w.snapshot()["well"]; slices.Contains(o.Claims, me) != (verb == "up") || verb == "up" && o.Value != "deep" {
								v.Errorf("%s died at write %d: after %s the well is %+v", dies, nth, other, o)
							}
							v.must(dies)
							v.wantWhole(fmt.Sprintf("%s died at write %d", dies, nth), m.after...)
							for _, env := range m.after {
								v.must("down " + env)
							}
							v.wantWhole("in the end")
						}
					}
				})
			})
		}
	}
}

// dies runs a command that dies at its nth write. It returns false if it has fewer.
func (v town) dies(command string, nth int, after bool) bool {
	v.w.writes = nil
	v.w.fault = func(n int, _ string) (error, error) {
		switch {
		case n > nth, n == nth && !after:
			return errDead, nil
		case n == nth:
			return nil, errDead
		}
		return nil, nil
	}
	err := v.run(command)
	v.w.fault = nil
	if err != nil && !errors.Is(err, errDead) {
		v.Errorf("%s: %v", command, err)
	}
	return err != nil
}

// again runs a command until it ends without error, as its user would. The only reason to fail
// is that its calls took so long that its patience is over.
func (v town) again(command string) error {
	var err error
	for range 20 {
		err = v.run(command)
		if !errors.Is(err, errAgain) && !errors.Is(err, provision.ErrWindow) {
			return err
		}
	}
	return err
}

// TestAnyPace gives each call of runs that come and go at once its own delay, of up to 100
// seconds: nearly as much as the patience of a run that leaves, and longer than it may use to
// delete. Whichever run gives up over that, its next one completes its work.
func TestAnyPace(t *testing.T) {
	for seed := range uint64(300) {
		inTowns(t, func(v town) {
			v.must("up b", "up c", "up d")
			random := rand.New(rand.NewPCG(seed, 1))
			var mu sync.Mutex
			v.w.hold = func(string, string) {
				mu.Lock()
				d := time.Duration(random.IntN(100)) * time.Millisecond
				if random.IntN(4) == 0 {
					d = time.Duration(random.IntN(100)) * time.Second
				}
				mu.Unlock()
				time.Sleep(d)
			}
			var all sync.WaitGroup
			for _, c := range []string{"up a", "down b", "down c", "down d"} {
				all.Go(func() {
					if err := v.again(c); err != nil {
						v.Errorf("seed %d: %s: %v", seed, c, err)
					}
				})
			}
			all.Wait()
			v.w.hold = nil
			time.Sleep(time.Minute)
			v.wantWhole(fmt.Sprint("seed ", seed), "a")
			v.must("down a")
			v.wantWhole("in the end")
		})
	}
}
