package view_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/view"
)

// FuzzReceipt: whatever was planned and whatever is left, the receipt is one JSON
// document, each object stands in one list at most, nothing that is still there
// is said to be deleted, and ok is said only if nothing of ours is left.
func FuzzReceipt(f *testing.F) {
	f.Add([]byte{4, 4, 5, 7}, []byte{0, 4, 0, 7}, "bucket", false, true)
	f.Add([]byte{4, 20, 5}, []byte{}, "a \"name\" <&> \xff", true, false)
	f.Add([]byte{}, []byte{4}, "", false, true)
	f.Fuzz(func(t *testing.T, planned, left []byte, name string, failed, looked bool) {
		if len(planned) > 50 || len(left) > 50 {
			return
		}
		r := view.DownResult{Planned: actions(planned, name)}
		after := actions(left, name)
		if looked {
			r.Left = &after
		}
		if failed {
			r.Err = errors.New(name)
		}
		var b bytes.Buffer
		if err := view.ReceiptJSON(&b, view.Header{Environment: name}, r, view.Options{}); err != nil {
			t.Fatal(err)
		}
		type object struct{ Step string }
		var doc struct {
			OK       bool
			Deleted  []object
			Released []object
			Skipped  []object `json:"skipped"`
			Remained []object
		}
		d := json.NewDecoder(&b)
		if err := d.Decode(&doc); err != nil || d.More() {
			t.Fatalf("not one document: %v", err)
		}
		where := map[string]string{}
		for list, objects := range map[string][]object{"deleted": doc.Deleted, "released": doc.Released, "skipped": doc.Skipped, "remained": doc.Remained} {
			for _, o := range objects {
				if where[o.Step] != "" {
					t.Errorf("%s is in %s and in %s", o.Step, where[o.Step], list)
				}
				where[o.Step] = list
			}
		}
		ours := map[string]bool{} // what is still there of what was planned
		for _, a := range after.Actions {
			ours[a.Step] = looked && (a.Err != nil || a.Op == provision.Delete || a.Op == provision.Release)
		}
		for _, a := range r.Planned.Actions {
			switch gone := where[a.Step] == "deleted" || where[a.Step] == "released"; {
			case gone && ours[a.Step]:
				t.Errorf("%s is said to be gone, and is there", a.Step)
			case (a.Op == provision.Delete || a.Op == provision.Release) && where[a.Step] == "":
				t.Errorf("%s is in no list", a.Step)
			case !looked && gone && a.Err == nil:
				t.Errorf("the receipt lists %s as gone, although the run did not read it", a.Step)
			}
		}
		if doc.OK && (failed || len(doc.Remained) > 0) {
			t.Error("ok, with an error or with something left")
		}
	})
}

// actions are a plan: each byte is the op of a step, and whether it could be read.
func actions(ops []byte, name string) (p provision.Plan) {
	for i, o := range ops {
		a := provision.Action{Step: fmt.Sprintf("step %d", i), Op: provision.Op(o % 8), Object: name, Owner: provision.Owner{By: name}}
		if o >= 16 && o < 32 {
			a.Err = errors.New(name)
		}
		if o%3 == 0 {
			a.Notes = []provision.Note{{Text: name}}
		}
		p.Actions = append(p.Actions, a)
	}
	return p
}
