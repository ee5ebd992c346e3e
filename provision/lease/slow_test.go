package lease

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/sandbox"
)

// A claim that took so long that its lease is nearly over is of no use.
func TestSlowReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		a.Fault = func(c sandbox.Call) (f sandbox.Fault) {
			if c.WriteNo == 1 && c.Write {
				f.Then = func() { time.Sleep(70 * time.Second) }
			}
			return f
		}
		begun := time.Now()
		h, run := acquire(t, by(a, "alice", 0))
		if took := time.Since(begun); took > 75*time.Second {
			t.Errorf("it took %v", took)
		}
		if err := sleep(run, 10*time.Minute); err != nil {
			t.Error(err)
		}
		releaseOf(t, h, false)
	})
}

// However long the claim could not be seen, its age counts from the first time
// it was written.
func TestClaimUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		a.Lag = 40 * time.Second
		h, _ := acquire(t, by(a, "alice", 0))
		h.crash()
		if len(a.Writes()) < 2 {
			t.Fatal("it was claimed once only; then this test shows nothing")
		}
		if until := time.Now().Add(h.l.fence().left()); !until.Before(h.last.Held.Expires) {
			t.Errorf("alice trusts it until %v, but it runs out at %v", until, h.last.Held.Expires)
		}
	})
}

// A reading that shows an older log than the one before says nothing.
func TestReadsThatGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		a.Lag = 1
		reads := 0
		a.Fault = func(c sandbox.Call) (f sandbox.Fault) {
			if !c.Write && time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) > 30*time.Second {
				a.Lag = time.Minute // from before the claim
				if reads++; reads > 3 {
					a.Lag = 1
				}
			}
			return f
		}
		h, run := acquire(t, by(a, "alice", 0))
		err := sleep(run, 10*time.Minute)
		releaseOf(t, h, false)
		if err != nil || reads < 4 {
			t.Errorf("after %d readings: %v", reads, err)
		}
	})
}

// What another has deleted is not written to again, and does not come back.
func TestVanished(t *testing.T) {
	a := sandbox.New()
	l := by(a, "alice", 0)
	if _, err := l.write(t.Context(), l.entry(claim, "n"), history{Versions: 3, Newest: 3}); !errors.Is(err, errVanished) {
		t.Errorf("have %v, want errVanished", err)
	}
	if _, ok := exists(t, a); ok {
		t.Error("the parameter is there")
	}
}

// wire answers the SDK's requests in place of AWS.
type wire func(operation string) (status int, body string, date time.Time)

func (w wire) Do(r *http.Request) (*http.Response, error) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	status, body, date := w(op)
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "Date": {date.UTC().Format(http.TimeFormat)}},
		Body:   io.NopCloser(strings.NewReader(body)),
	}, nil
}

func (w wire) client() *ssm.Client {
	cfg := sandbox.New().Config(demo.Region)
	cfg.APIOptions, cfg.HTTPClient = nil, w
	return ssm.NewFromConfig(cfg)
}

// The SDK repeats a call whose reply is lost; with the deletion it must not.
func TestDeletionIsNotRepeatedBlindly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []string
		l := by(sandbox.New(), "alice", 0)
		l.API = wire(func(op string) (int, string, time.Time) {
			calls = append(calls, op)
			if op == "DeleteParameter" {
				return 500, `{"__type": "InternalServerError"}`, time.Now()
			}
			return 400, `{"__type": "ParameterNotFound"}`, time.Now()
		}).client()
		h, _ := l.hold(t.Context(), "n", new(Fence).now(), history{Versions: 1, Newest: 1})
		releaseOf(t, h, true)
		if have := strings.Join(calls, " "); have != "DeleteParameter GetParameterHistory" {
			t.Errorf("the calls were %s", have)
		}
	})
}

// Whether a lease is in force is for AWS's clock to say, not for ours.
func TestClockOfAWS(t *testing.T) {
	l := by(sandbox.New(), "alice", 0)
	ahead := start.Add(time.Hour)
	l.clock = func() time.Time { return ahead }
	value, err := entry{Format: format, Kind: claim, Nonce: "n", Holder: "bob@host", TTLSeconds: 120}.encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		now  time.Duration
		held bool
	}{{0, true}, {119 * time.Second, true}, {120 * time.Second, false}} {
		l.API = wire(func(string) (int, string, time.Time) {
			return 200, fmt.Sprintf(`{"Parameters": [{"Version": 1, "LastModifiedDate": %d, "Value": %q}]}`,
				start.Unix(), value), start.Add(c.now)
		}).client()
		if held, err := l.Current(t.Context()); err != nil || (held != nil) != c.held {
			t.Errorf("after %v: have %v, %v, want held: %v", c.now, held, err, c.held)
		}
	}
}
