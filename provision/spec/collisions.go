package spec

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// claim is an object that an environment would own under a name that the file can set. No
// other environment can own it, too.
type claim struct {
	what   string  // the kind, for messages
	name   *string // the field
	within realm
	api    *string // the URL of Prefect's API, for a work pool; else nil
}

// realm is how far a name is unique.
type realm int

const (
	everywhere realm = iota // in all accounts, or in the API
	inAccount               // regardless of case: these are IAM's
	inRegion
)

// claimer is a block whose object has such a name.
type claimer interface{ claims() []claim }

// claimed is the claim on a resource, unless the environment only uses it.
func claimed(what, ownership string, within realm, name *string) []claim {
	if ownership == "external" {
		return nil
	}
	return []claim{{what: what, name: name, within: within}}
}

func (e *Environment) claims() (list []claim) {
	if e.Agent != nil {
		agent := Place{}.names(e.Name).Agent()
		list = claimed("role", "own", inAccount, &agent)
	}
	for b := range blocks[claimer](e) {
		list = append(list, b.claims()...)
	}
	return list
}

// taken is a claim of a candidate, with what is known of the place where it holds.
type taken struct {
	claim
	by      candidate
	guessed bool // the name contains an example of the account or the region
}

// takenBy returns the claims of a candidate that can be judged: those that depend on no
// variable without a value.
func takenBy(c candidate) (list []taken) {
	if c.env == nil {
		return nil
	}
	unknown := func(field any) bool { return c.d.undecidedField(field) }
	for _, cl := range c.env.claims() {
		account, region := cl.within != everywhere && unknown(&c.env.Account), cl.within == inRegion && unknown(&c.env.Region)
		if account || region || unknown(cl.name) || cl.api != nil && unknown(cl.api) {
			continue
		}
		list = append(list, taken{cl, c, c.guesses(cl.name)})
	}
	return list
}

// guesses reports whether a name depends on an account or a region that is not known.
func (c candidate) guesses(name *string) bool {
	if c.known.Account != "" && c.known.Region != "" {
		return false
	}
	if c.d.written(name) {
		return c.d.file.depends(c.d.given[name].attr.Expr).place
	}
	return strings.Contains(*name, exampleAccount) || strings.Contains(*name, exampleRegion)
}

// likeness is whether two claims are for one object.
type likeness int

const (
	no likeness = iota
	maybe
	yes
)

// like compares two claims.
func (t taken) like(o taken) likeness {
	name, other := *t.name, *o.name
	if t.within == inAccount {
		name, other = strings.ToLower(name), strings.ToLower(other)
	}
	if t.what != o.what || name != other || t.guessed != o.guessed {
		return no
	}
	switch {
	case t.api != nil && o.api != nil:
		return map[bool]likeness{true: yes}[sameAPI(*t.api, *o.api)]
	case t.within == everywhere || o.within == everywhere:
		return yes
	}
	same := sameOf(t.by.known.Account, o.by.known.Account)
	if t.within == inRegion {
		same = min(same, sameOf(t.by.known.Region, o.by.known.Region))
	}
	return same
}

// sameOf compares accounts or regions. Two that the file does not tell come from the same
// credentials.
func sameOf(a, b string) likeness {
	switch {
	case a == b:
		return yes
	case a == "" || b == "":
		return maybe
	}
	return no
}

// sameAPI reports whether two URLs are for one API.
func sameAPI(a, b string) bool {
	root := func(text string) string {
		u, err := url.Parse(text)
		if err != nil {
			return text
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		return strings.ToLower(u.Hostname()) + ":" + port + strings.TrimRight(u.Path, "/")
	}
	return root(a) == root(b)
}

// collisions reports objects that several environments would own. If they do so only in the
// same account or region, and the file does not tell whether they are in the same one, that
// is a warning.
func collisions(all []candidate) (diags hcl.Diagnostics) {
	var before []taken
	for _, c := range all {
		mine := takenBy(c)
		for _, t := range mine {
			for _, o := range before {
				if same := t.like(o); same != no {
					diags = append(diags, t.report(o, same))
					break
				}
			}
		}
		before = append(before, mine...)
	}
	return diags
}

func (t taken) report(o taken, same likeness) *hcl.Diagnostic {
	who := fmt.Sprintf("The environments %q and %q", o.by.label, t.by.label)
	if o.by.label == t.by.label {
		who = fmt.Sprintf("All environments that match %q", t.by.label)
	}
	what := t.what
	if !t.guessed {
		what += fmt.Sprintf(", %q", *t.name)
	}
	at := t.by.d.place([]any{t.name})
	d := &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Name taken twice", Subject: &at,
		Detail: fmt.Sprintf("%s would own the same %s, and each would change and delete it. → use another name, for example with ${env_name} in it", who, what),
	}
	if same == maybe {
		d.Severity = hcl.DiagWarning
		d.Detail = fmt.Sprintf("%s would own the same %s, if they are in one account and region. → use another name, or set account and region in both", who, what)
	}
	return d
}
