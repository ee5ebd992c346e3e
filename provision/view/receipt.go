package view

import (
	"io"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// DownResult is the result of a down, for its receipt.
type DownResult struct {
	Began, Ended time.Time
	Planned      provision.Plan  // the plan at the start
	Left         *provision.Plan // the plan at the end; nil if down changed nothing
	Err          error
}

type jsonReceipt struct {
	FormatVersion string       `json:"format_version" schema:"2"`
	Type          string       `json:"type" schema:"receipt"`
	Header        jsonHeader   `json:"header"`
	Began         string       `json:"began" schema:"date-time"`
	Ended         string       `json:"ended" schema:"date-time"`
	OK            bool         `json:"ok"`       // nothing failed and nothing remained
	Found         int          `json:"found"`    // how many resources down found, whoever owns them
	Deleted       []jsonObject `json:"deleted"`  // what is gone
	Released      []jsonObject `json:"released"` // what others still use
	Skipped       []jsonObject `json:"skipped"`  // what belongs to somebody else
	Remained      []jsonObject `json:"remained"` // what still exists, or may still exist
	Errors        []jsonError  `json:"errors"`
}

// jsonObject is one resource of a receipt. Its why is set if it still exists.
type jsonObject struct {
	Step   string   `json:"step"`
	Object string   `json:"object,omitempty"`
	Owner  string   `json:"owner,omitempty"`
	Claims []string `json:"claims,omitempty"`
	Why    []string `json:"why,omitempty"`
}

// ReceiptJSON writes the objects that down deleted, and those that it did not, as one
// JSON document. An object counts as remaining until a read shows that it is gone.
func ReceiptJSON(w io.Writer, h Header, r DownResult, o Options) error {
	d := jsonReceipt{
		FormatVersion: FormatVersion, Type: "receipt", Header: jsonHeader(h),
		Began: stamp(r.Began), Ended: stamp(r.Ended),
		Deleted: []jsonObject{}, Released: []jsonObject{}, Skipped: []jsonObject{}, Remained: []jsonObject{},
		Errors: errorsJSON(r.Err, o),
	}
	after := map[string]provision.Action{}
	if r.Left != nil {
		for _, a := range r.Left.Actions {
			after[a.Step] = a
		}
	}
	for _, a := range r.Planned.Actions {
		if a.Err == nil && a.Op != provision.None {
			d.Found++
		}
		now, looked := after[a.Step]
		switch {
		case looked && stays(now), !looked && stays(a):
			if looked {
				a = now
			}
			d.Remained = append(d.Remained, objectOf(a, d.Errors))
		case a.Op == provision.Skip:
			d.Skipped = append(d.Skipped, objectOf(a, nil))
		case a.Op == provision.Delete:
			d.Deleted = append(d.Deleted, jsonObject{Step: a.Step, Object: a.Object, Owner: a.Owner.By})
		case a.Op == provision.Release:
			d.Released = append(d.Released, objectOf(a, nil))
		}
	}
	d.OK = r.Err == nil && len(d.Remained) == 0
	return document(w, d)
}

// stays reports whether an object of the environment still exists, or may exist.
func stays(a provision.Action) bool {
	return a.Err != nil || remains(a.Op)
}

// remains reports whether an object with this action in a plan of down exists, and belongs
// to the environment.
func remains(op provision.Op) bool {
	return op == provision.Delete || op == provision.Release || op == provision.Leave
}

// objectOf describes an object that still exists, and why it does.
func objectOf(a provision.Action, errs []jsonError) jsonObject {
	o := jsonObject{Step: a.Step, Object: a.Object, Owner: a.Owner.By, Claims: a.Owner.Claims}
	if a.Err != nil {
		o.Why = append(o.Why, a.Err.Error())
	}
	for _, n := range a.Notes {
		o.Why = append(o.Why, n.Text)
	}
	for _, e := range errs {
		if e.Step == a.Step && a.Err == nil {
			o.Why = append(o.Why, e.Error)
			if e.Cause != "" {
				o.Why = append(o.Why, e.Cause)
			}
		}
	}
	return o
}
