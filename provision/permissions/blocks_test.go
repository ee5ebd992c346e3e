package permissions_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/test/lifecycle"
)

// without is a file without some blocks of its environment "dev". A dot leads into a block.
func without(t *testing.T, text string, paths ...string) string {
	t.Helper()
	f, dev := parsed(t, text)
	for _, path := range paths {
		body := dev
		names := strings.Split(path, ".")
		for _, n := range names[:len(names)-1] {
			body = body.FirstMatchingBlock(n, nil).Body()
		}
		last := body.FirstMatchingBlock(names[len(names)-1], nil)
		if last == nil || !body.RemoveBlock(last) {
			t.Fatalf("the file has no %s", path)
		}
	}
	return string(f.Bytes())
}

func parsed(t *testing.T, text string) (*hclwrite.File, *hclwrite.Body) {
	t.Helper()
	f, diags := hclwrite.ParseConfig([]byte(text), "config.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return f, f.Body().FirstMatchingBlock("environment", []string{"dev"}).Body()
}

// blocksOf are all blocks of a file's environment "dev".
func blocksOf(t *testing.T, text string) []string {
	t.Helper()
	_, dev := parsed(t, text)
	return blocksIn(dev, "")
}

func blocksIn(body *hclwrite.Body, in string) (paths []string) {
	for _, b := range body.Blocks() {
		paths = append(append(paths, in+b.Type()), blocksIn(b.Body(), in+b.Type()+".")...)
	}
	return paths
}

// removal is a file that loses something.
type removal struct{ name, with, without string }

// with are the blocks that go together with a block: a worker needs an API.
func with(block string) []string {
	if block == "prefect" {
		return []string{"agent", "flows", block}
	}
	return []string{block}
}

// removals are all blocks of the example, and what else lets up delete objects.
func removals(t *testing.T) (list []removal) {
	t.Helper()
	text := byDefault(t, everything(t))
	for _, b := range blocksOf(t, text) {
		list = append(list, removal{b, text, without(t, text, with(b)...)})
	}
	return append(list,
		removal{"all blocks", text, ""},
		removal{"the events", text, edited(t, text, `events( +)= true`, `events${1}= false`)},
		removal{"the secret", text, edited(t, text, `(?m)^ +api_key +=.*\n`, "")},
		removal{"Prefect 3", text, edited(t, text, `version( +)= "3.*"`, `version${1}= "2.20.25"`,
			`(?m)^ +(events|image) += (true|"prefecthq).*\n`, "")},
	)
}

// alone reports whether only a block makes its objects. If another block goes, its object
// gets its default name.
func alone(block string) bool {
	defaults := reflect.ValueOf(spec.Defaults("dev", spec.Place{Account: here.Account, Region: home}))
	for i := range defaults.NumField() {
		if tag := defaults.Type().Field(i).Tag.Get("hcl"); tag == block+",block" {
			return defaults.Field(i).IsNil()
		}
	}
	return strings.HasPrefix(block, "agent.")
}

// goes are the lives of files that lose something. Up must be able to remove it under the
// policy of the file that had it, because a role in CI still has that one; and under the
// policy of the new file, except that only the old one has names of one's own.
func goes(t *testing.T) (list []life) {
	t.Helper()
	old := func(r removal) policyFor { return policyFor{permissions.Up, r.with} }
	now := func(r removal) policyFor { return policyFor{permissions.Up, r.without} }
	add := func(name string, r removal, p policyFor, more ...policyFor) {
		list = append(list, life{name, func(w *world) { w.loses(r, p, more...) }})
	}
	for _, r := range removals(t) {
		add(r.name+" goes, old policy", r, old(r))
		add(r.name+" goes, new policy", r, now(r))
	}
	text := byDefault(t, everything(t))
	key := removal{with: text, without: edited(t, text, `public_key +=.*`, `key_name = "ada"`)} // which the old policy does not have
	add("the public key goes, new policy", key, now(key))
	keyed := removal{with: adding(text, lifecycle.Keyed), without: text} // only the policy for the file with the key lets it go
	add("the kms key goes, old policy", keyed, old(keyed))
	text = withoutTTL(everything(t))
	for _, b := range blocksOf(t, text) {
		if r := (removal{b, text, without(t, text, with(b)...)}); alone(b) {
			add(b+" goes, with names of one's own, old policy", r, old(r))
		}
	}
	renamed := removal{with: text, without: ownNames}
	add("names change, new policy and that of the old down", renamed, now(renamed), policyFor{permissions.Down, text})
	return list
}

// loses builds with what a file will lose, and then without it.
func (w *world) loses(r removal, p policyFor, more ...policyFor) {
	w.Helper()
	w.importKey("ada")
	w.must(permissions.Up, r.with, quiet)
	if err := w.runUnder(p, permissions.Up, r.without, quiet, more...); err != nil {
		w.Errorf("up: %v", err)
	}
	w.must(permissions.Plan, r.without, quiet)
	if !w.planned.Empty() {
		w.Errorf("the plan after it is not empty: %v", w.planned.Actions)
	}
}
