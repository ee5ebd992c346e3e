package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

func TestReceipt(t *testing.T) {
	step := func(op provision.Op) provision.Plan {
		return provision.Plan{Actions: []provision.Action{{Step: "bucket", Object: "flows", Op: op, Owner: ours}}}
	}
	after := func(op provision.Op) *provision.Plan { return new(step(op)) }
	unread := provision.Plan{Actions: []provision.Action{{Step: "bucket", Err: errors.New("denied")}}}
	failed := errors.New("no")
	for _, c := range []struct {
		name    string
		r       DownResult
		ok      bool
		lists   string // in which the object is
		nowhere bool
	}{
		{name: "deleted", r: DownResult{Planned: step(provision.Delete), Left: after(provision.None)}, ok: true, lists: "deleted"},
		{name: "deleted in a run that failed", r: DownResult{Planned: step(provision.Delete), Left: after(provision.None), Err: failed}, lists: "deleted"},
		{name: "released", r: DownResult{Planned: step(provision.Release), Left: after(provision.Skip)}, ok: true, lists: "released"},
		{name: "foreign", r: DownResult{Planned: step(provision.Skip), Left: after(provision.Skip)}, ok: true, lists: "skipped"},
		{name: "foreign, and nothing else", r: DownResult{Planned: step(provision.Skip)}, ok: true, lists: "skipped"},
		{name: "not begun", r: DownResult{Planned: step(provision.Delete), Err: failed}, lists: "remained"},
		{name: "refused", r: DownResult{Planned: step(provision.Delete), Left: after(provision.Delete), Err: failed}, lists: "remained"},
		{name: "not looked at again", r: DownResult{Planned: step(provision.Delete), Left: &provision.Plan{}, Err: failed}, lists: "remained"},
		{name: "not readable at the end", r: DownResult{Planned: step(provision.Delete), Left: &unread}, lists: "remained"},
		{name: "not readable at all", r: DownResult{Planned: unread, Err: failed}, lists: "remained"},
		{name: "came late", r: DownResult{Planned: step(provision.None), Left: after(provision.Delete)}, lists: "remained"},
		{name: "absent", r: DownResult{Planned: step(provision.None), Left: after(provision.None)}, ok: true, nowhere: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := ReceiptJSON(&b, testHeader, c.r, Options{}); err != nil {
				t.Fatal(err)
			}
			var have map[string]any
			if err := json.Unmarshal(b.Bytes(), &have); err != nil {
				t.Fatal(err)
			}
			if have["ok"] != c.ok {
				t.Errorf("ok: %v, want %v", have["ok"], c.ok)
			}
			want, is := map[string]int{"deleted": 0, "released": 0, "skipped": 0, "remained": 0}, map[string]int{}
			if !c.nowhere {
				want[c.lists] = 1
			}
			for k := range want {
				list, ok := have[k].([]any)
				if !ok {
					t.Fatalf("%s is no list", k)
				}
				is[k] = len(list)
			}
			if d := cmp.Diff(want, is); d != "" {
				t.Errorf("-want +have:\n%s", d)
			}
		})
	}
}
