package lease

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/e2e/able"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// at is a version written so many seconds after the start.
func at(number int64, seconds int, value string) version {
	return version{number, start.Add(time.Duration(seconds) * time.Second), value}
}

func body(t testing.TB, k kind, nonce string, s *seen) string {
	t.Helper()
	v, err := entry{Format: format, Kind: k, Nonce: nonce, Holder: nonce + "@host", Command: "up", TTLSeconds: 120, Seen: s}.encode()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestFold(t *testing.T) {
	type e struct {
		second int
		kind   kind
		nonce  string
	}
	for _, c := range []struct {
		name    string
		log     []e
		holder  string // at the last entry
		expires int    // second
	}{
		{"empty", nil, "", 0},
		{"a claim", []e{{5, claim, "a"}}, "a", 125},
		{"the first claim wins", []e{{5, claim, "a"}, {5, claim, "b"}}, "a", 125},
		{"a claim is made twice when its reply is lost", []e{{5, claim, "a"}, {6, claim, "a"}}, "a", 125},
		{"a renewal", []e{{5, claim, "a"}, {45, renew, "a"}}, "a", 165},
		{"a renewal of another", []e{{5, claim, "a"}, {45, renew, "b"}}, "a", 125},
		{"a renewal too late", []e{{5, claim, "a"}, {125, renew, "a"}}, "", 0},
		{"a release", []e{{5, claim, "a"}, {9, release, "a"}}, "", 0},
		{"a release of another", []e{{5, claim, "a"}, {9, release, "b"}}, "a", 125},
		{"after a release", []e{{5, claim, "a"}, {9, release, "a"}, {9, claim, "b"}}, "b", 129},
		{"what was passed over does not come back", []e{{5, claim, "a"}, {8, claim, "b"}, {9, release, "a"}}, "", 0},
		{"a claim that comes again after its release", []e{{5, claim, "a"}, {9, release, "a"}, {10, claim, "a"}}, "", 0},
		{"the last moment", []e{{5, claim, "a"}, {124, claim, "b"}}, "a", 125},
		{"the first moment", []e{{5, claim, "a"}, {125, claim, "b"}}, "b", 245},
		{"one who was taken over from", []e{{5, claim, "a"}, {125, claim, "b"}, {126, renew, "a"}, {127, release, "a"}}, "b", 245},
		{"time does not go back", []e{{5, claim, "a"}, {125, claim, "b"}, {120, release, "b"}, {121, claim, "c"}}, "c", 245},
		{"nonsense", []e{{5, claim, "a"}, {6, "steal", "b"}, {7, claim, ""}, {8, claim, "{{x}}"}}, "a", 125},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log []version
			for i, e := range c.log {
				log = append(log, at(int64(i+1), e.second, body(t, e.kind, e.nonce, nil)))
			}
			s := fold(log)
			if c.holder == "" {
				if s.held(s.Now) {
					t.Fatalf("held: %v", s.Held)
				}
				return
			}
			if !s.held(s.Now) || s.Held.Nonce != c.holder || !s.Held.Expires.Equal(at(0, c.expires, "").Date) {
				t.Errorf("have %v, want %s until second %d", s.Held, c.holder, c.expires)
			}
		})
	}
}

// AWS forgets all but the last 100 versions. Whoever sees only those must see
// the same as one who has seen it all.
func TestWindow(t *testing.T) {
	seeds := uint64(1)
	if able.All() {
		seeds = 4
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		var log []version
		states := []state{{}} // after so many versions
		held, second := 0, 0
		for n := int64(1); n <= 350; n++ {
			// The writer read the log a few versions ago.
			saw := max(0, int(n)-1-r.IntN(6))
			s := states[saw]
			var sn *seen
			if saw > 0 {
				sn = &seen{Version: int64(saw), State: s}
			}
			k, nonce := claim, fmt.Sprintf("n%d", n)
			if s.Held != nil && r.IntN(10) > 1 {
				nonce, k = s.Held.Nonce, renew
				if r.IntN(8) == 0 {
					k = release
				}
			}
			value := body(t, k, nonce, sn)
			if r.IntN(10) == 0 {
				value = "rubbish"
			}
			second += r.IntN(60) - 5
			log = append(log, at(n, second, value))
			whole, part := states[n-1].after(log[n-1]), fold(window(log))
			if diff := cmp.Diff(whole, part); diff != "" {
				t.Fatalf("seed %d, version %d: all versions say, and the last 100:\n%s", seed, n, diff)
			}
			states = append(states, whole)
			if whole.Held != nil {
				held++
			}
		}
		if held < 100 || held > 340 {
			t.Fatalf("seed %d: the lease was held in %d states of 350", seed, held)
		}
	}
}

func window(log []version) []version { return log[max(0, len(log)-100):] }

// If the versions before the kept ones are unknown, nobody may claim too early.
func TestBeginningUnknown(t *testing.T) {
	log := []version{at(7, 0, "rubbish"), at(8, 30, body(t, claim, "a", nil))}
	if s := fold(log); s.Held == nil || s.Held.Nonce != "unknown" {
		t.Errorf("have %v, want an unknown holder", s.Held)
	}
	log = append(log, at(9, 601, body(t, claim, "b", nil)))
	if s := fold(log); s.Held == nil || s.Held.Nonce != "b" {
		t.Errorf("have %v, want b after the longest time", s.Held)
	}
}

// What a writer says it saw is believed within reason.
func TestBeginningBounded(t *testing.T) {
	sn := &seen{Version: 6, State: state{Now: start.Add(time.Hour), Held: &Held{Nonce: "a\x1b", Expires: start.AddDate(1, 0, 0)}}}
	log := []version{at(7, 0, body(t, claim, "b", sn))}
	s := fold(log)
	if s.Held == nil || s.Held.Nonce != "a_" || s.Held.Expires.After(start.Add(MaxTTL)) {
		t.Errorf("have %v, want a_ for %v", s.Held, MaxTTL)
	}
}

func TestEncode(t *testing.T) {
	h := &Held{Nonce: "n", Holder: sanitize("{{evil}}\x1b[31m@" + strings.Repeat("h", 300)), Command: "up"}
	e := entry{Format: format, Kind: claim, Nonce: newNonce(), Holder: h.Holder, TTLSeconds: 120,
		Seen: &seen{Version: 1, State: state{Held: h}}}
	v, err := e.encode()
	if err != nil {
		t.Fatal(err)
	}
	// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
	if strings.Contains(v, "{{") || strings.Contains(v, "}}") || len(v) > 4096 {
		t.Errorf("AWS does not take %d bytes of\n%s", len(v), v)
	}
	have, err := parse(v)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, have); diff != "" {
		t.Error(diff)
	}
}

func FuzzFold(f *testing.F) {
	a, b := body(f, claim, "a", nil), body(f, claim, "b", nil)
	for _, log := range []string{
		a, a + "\x00" + b, a + "\x00" + body(f, renew, "a", nil) + "\x00" + body(f, release, "a", nil) + "\x00" + b,
		body(f, renew, "a", &seen{Version: 40, State: state{Now: start, Held: &Held{Nonce: "a", Expires: start.Add(time.Hour)}}}),
		`{"v":1,"kind":"claim","nonce":"x","ttl_seconds":600,"seen":{"version":-9223372036854775808}}`,
		`{"v":2}`, "null", "[]", "{}", "", "\x00", `{"v":1,"kind":"renew","ttl_seconds":9e99}`,
	} {
		f.Add([]byte(log), int64(1), byte(30))
		f.Add([]byte(log), int64(41), byte(130))
	}
	f.Fuzz(func(t *testing.T, data []byte, first int64, step byte) {
		if first < 1 || first > 1<<40 {
			return
		}
		var log []version
		for i, v := range bytes.Split(data, []byte{0}) {
			log = append(log, at(first+int64(i), i*int(step), string(v)))
		}
		fold(log) // never panics
		was, rest := begin(log)
		for _, v := range rest {
			now := was.after(v)
			check(t, was, now, v)
			was = now
		}
	})
}

// check holds what every step keeps to.
func check(t *testing.T, was, now state, v version) {
	t.Helper()
	if now.Now.Before(was.Now) {
		t.Fatalf("time went back at version %d", v.Number)
	}
	if now.Held != nil && now.Held.Expires.After(now.Now.Add(MaxTTL)) {
		t.Fatalf("version %d holds the lease for %v", v.Number, now.Held.Expires.Sub(now.Now))
	}
	if was.Held == nil || now.Held != nil && now.Held.Nonce == was.Held.Nonce {
		return
	}
	e, err := parse(v.Value)
	released := err == nil && e.Kind == release && e.Nonce == was.Held.Nonce && now.Held == nil
	expired := !was.held(now.Now)
	if !released && !expired {
		t.Fatalf("version %d took the lease from %v for %v", v.Number, was.Held, now.Held)
	}
}
