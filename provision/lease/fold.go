package lease

import "time"

// version is one version of the parameter.
type version struct {
	Number int64
	Date   time.Time // by AWS's clock
	Value  string
}

// state is what a log amounts to.
type state struct {
	Held *Held `json:"held,omitempty"` // perhaps expired by now
	// Last is the nonce of the lease that ended last. A claim of it is a
	// repetition that was late on its way, and would hold the lease for nobody.
	Last string    `json:"last,omitempty"`
	Now  time.Time `json:"now"` // the latest date so far
}

// fold is what the log amounts to: the same for everybody who reads it. The
// versions are in order and without a gap.
func fold(log []version) state {
	s, rest := begin(log)
	for _, v := range rest {
		s = s.after(v)
	}
	return s
}

// begin is the state from which to go on, and with what. Where the log's
// beginning is gone, the earliest kept entry that saw a state after which
// everything is kept tells it: its writer had folded the log in the same way.
func begin(log []version) (state, []version) {
	if len(log) == 0 || log[0].Number <= 1 {
		return state{}, log
	}
	first := log[0].Number
	for _, v := range log {
		e, err := parse(v.Value)
		if err != nil || e.Seen == nil || e.Seen.Version < first-1 || e.Seen.Version >= v.Number {
			continue
		}
		return e.Seen.State.bounded(v.Date), log[e.Seen.Version-first+1:]
	}
	// Nobody tells. Whoever held it then may still do so.
	return state{Now: log[0].Date, Held: &Held{
		Nonce: "unknown", Holder: "unknown", Command: "unknown",
		Since: log[0].Date, Expires: log[0].Date.Add(MaxTTL),
	}}, log
}

// bounded is a state as an honest writer may have seen it before a moment.
func (s state) bounded(by time.Time) state {
	if s.Now.After(by) {
		s.Now = by
	}
	if s.Held == nil {
		return s
	}
	h := *s.Held
	if most := s.Now.Add(MaxTTL); h.Expires.After(most) {
		h.Expires = most
	}
	h.Nonce, h.Holder, h.Command, h.Machine = plain(h.Nonce), plain(h.Holder), plain(h.Command), plain(h.Machine)
	s.Held = &h
	return s
}

// after is the state after one more version. The dates of neighbours may be out
// of order by the difference of the clocks of AWS's machines; time never goes back.
func (s state) after(v version) state {
	if v.Date.After(s.Now) {
		s.Now = v.Date
	}
	e, err := parse(v.Value)
	if err != nil {
		return s
	}
	ttl := time.Duration(e.TTLSeconds) * time.Second
	mine := s.Held != nil && s.Held.Nonce == e.Nonce
	switch {
	case e.Kind == release && mine:
		s.Held, s.Last = nil, e.Nonce
	case e.Kind == renew && mine && s.held(s.Now):
		h := *s.Held
		h.Expires, h.TTL = s.Now.Add(ttl), ttl
		s.Held = &h
	case e.Kind == claim && !mine && !s.held(s.Now) && e.Nonce != s.Last:
		if s.Held != nil {
			s.Last = s.Held.Nonce
		}
		s.Held = &Held{
			Nonce: e.Nonce, Holder: e.Holder, PID: e.PID, Machine: e.Machine, Command: e.Command,
			Since: s.Now, Expires: s.Now.Add(ttl), TTL: ttl,
		}
	}
	return s
}

// held reports whether the lease is in force at a moment of AWS's clock.
func (s state) held(at time.Time) bool { return s.Held != nil && at.Before(s.Held.Expires) }
