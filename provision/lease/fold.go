package lease

import "time"

// version is one version of the parameter.
type version struct {
	Number int64
	Date   time.Time // by AWS's clock
	Value  string
}

// state is the result of folding a log.
type state struct {
	Held *Held `json:"held,omitempty"` // may have expired
	// Last is the nonce of the lease that ended last. A claim with it is a retry
	// that arrived late, and no run would use the lease.
	Last string    `json:"last,omitempty"`
	Now  time.Time `json:"now"` // the latest date so far
}

// fold computes the state from a log. The versions must be in order and without
// gaps. Every reader of a log gets the same state.
func fold(log []version) state {
	s, rest := begin(log)
	for _, v := range rest {
		s = s.after(v)
	}
	return s
}

// begin returns the state to start from and the versions to fold into it. If AWS no
// longer has the first versions, the state comes from the earliest entry that saw a
// state with no missing versions after it. Its writer had folded the log the same way.
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
	// No entry tells. The run that held the lease then may still hold it.
	return state{Now: log[0].Date, Held: &Held{
		Nonce: "unknown", Holder: "unknown", Command: "unknown",
		Since: log[0].Date, Expires: log[0].Date.Add(MaxTTL),
	}}, log
}

// bounded limits a state to what a correct writer can have seen at a time.
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
	h.Nonce, h.Holder, h.Command, h.Machine = sanitize(h.Nonce), sanitize(h.Holder), sanitize(h.Command), sanitize(h.Machine)
	s.Held = &h
	return s
}

// after is the state after one more version. The clocks of AWS's machines differ, so
// the dates of two versions may be out of order; the state's time never goes back.
func (s state) after(v version) state {
	if v.Date.After(s.Now) {
		s.Now = v.Date
	}
	e, err := parse(v.Value)
	if err != nil {
		return s
	}
	ttl := time.Duration(e.TTLSeconds) * time.Second
	current := s.Held != nil && s.Held.Nonce == e.Nonce
	switch {
	case e.Kind == release && current:
		s.Held, s.Last = nil, e.Nonce
	case e.Kind == renew && current && s.held(s.Now):
		h := *s.Held
		h.Expires, h.TTL = s.Now.Add(ttl), ttl
		s.Held = &h
	case e.Kind == claim && !current && !s.held(s.Now) && e.Nonce != s.Last:
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

// held reports whether the lease is in force at a time of AWS's clock.
func (s state) held(at time.Time) bool { return s.Held != nil && at.Before(s.Held.Expires) }
