package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

var (
	policyARN = compile(`^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/[A-Za-z0-9_+=,.@/-]+$`)
	action    = compile(`^([a-z0-9-]+:[A-Za-z0-9*?]+|\*)$`)
	resource  = compile(`^(arn:[^:]+:[^:]+:[^:]*:[^:]*:.+|\*)$`)
)

// checkPolicies checks what a block adds to the permissions of a role.
func (d *decoder) checkPolicies(policies *[]string, statements []Statement) {
	for i, p := range *policies {
		switch {
		case !policyARN.matches(p):
			d.badElement(policies, i, p, "Invalid policy", `%s is not the ARN of a managed policy. → use, for example, "arn:aws:iam::aws:policy/AmazonSQSFullAccess"`)
		case slices.Contains((*policies)[:i], p):
			d.badElement(policies, i, p, "Duplicate", "%s is in the list twice. → remove one of them")
		}
	}
	for i := range statements {
		s := &statements[i]
		d.checkList(&s.Actions, "action", action, `%s is not an IAM action. → use, for example, "sqs:SendMessage" or "sqs:*"`)
		d.checkList(&s.Resources, "resource", resource, `%s is not an ARN. → use, for example, "arn:aws:sqs:${region}:${account}:events", or "*"`)
	}
}

// checkList checks a list that must not be empty.
func (d *decoder) checkList(field *[]string, what string, shape pattern, format string) {
	if !d.has(field) {
		return
	}
	if len(*field) == 0 {
		d.errorAt(d.given[field].attr.Expr.Range(), "Empty list", fmt.Sprintf(
			"A statement needs at least one %s. → add one, or remove the statement", what))
	}
	for i, v := range *field {
		if !shape.matches(v) {
			d.badElement(field, i, v, "Invalid "+what, format)
		}
	}
}

// maxTags leaves room for flowbed's own tags, because AWS allows 50 on a resource. A
// shared resource has one more tag for each environment that uses it.
const maxTags = 32

// tagText matches the characters that all services accept.
var tagText = compile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

func (d *decoder) checkTags(e *Environment) {
	if !d.has(&e.Tags) {
		return
	}
	g := d.given[&e.Tags]
	if len(e.Tags) > maxTags {
		d.errorAt(g.attr.Expr.Range(), "Too many tags", fmt.Sprintf(
			"There are %[2]d tags, and %[1]d is the limit: AWS allows 50, and flowbed needs the others. → remove some", maxTags, len(e.Tags)))
	}
	// IAM compares keys without regard to case, and flowbed gives every resource a Name.
	folded := map[string]string{"name": "Name"}
	for _, k := range slices.Sorted(maps.Keys(e.Tags)) {
		why := badTag(k, e.Tags[k])
		if other, taken := folded[strings.ToLower(k)]; why == "" && taken && other != k {
			why = fmt.Sprintf("differs from %q only in case, and IAM treats the two as the same key. → choose another key", other)
		}
		folded[strings.ToLower(k)] = k
		if why != "" {
			shown := "A tag"
			if g.open {
				shown = "The tag " + quote(k)
			}
			d.errorAt(d.keyRange(g, k), "Invalid tag", shown+" "+why)
		}
	}
}

func badTag(key, value string) string {
	low := strings.ToLower(key)
	switch {
	case key == "":
		return "has an empty key. → give it a key"
	case strings.HasPrefix(low, "aws:"):
		return `starts with "aws:", which AWS reserves. → choose another key`
	case strings.HasPrefix(low, "flowbed:"):
		return `starts with "flowbed:", which flowbed reserves to mark the owner. → choose another key`
	case utf8.RuneCountInString(key) > 128:
		return "has a key of more than 128 characters. → shorten it"
	case utf8.RuneCountInString(value) > 256:
		return "has a value of more than 256 characters. → shorten it"
	case !tagText.matches(key):
		return "has characters in its key that AWS does not accept. → use letters, digits, spaces and _.:/=+-@"
	case !tagText.matches(value):
		return "has characters in its value that AWS does not accept. → use letters, digits, spaces and _.:/=+-@"
	}
	return ""
}

// keyRange is the range of a map's element, or of the whole expression if the elements
// are not written out.
func (d *decoder) keyRange(g given, key string) hcl.Range {
	attr := g.keys[key]
	if attr == nil {
		attr = g.attr
	}
	if o, ok := attr.Expr.(*hclsyntax.ObjectConsExpr); ok {
		for _, item := range o.Items {
			if k, diags := d.file.meter.read(item.KeyExpr, nil); !diags.HasErrors() && k.Type() == cty.String && k.IsWhollyKnown() && !k.IsMarked() && !k.IsNull() && k.AsString() == key {
				return hcl.RangeBetween(item.KeyExpr.Range(), item.ValueExpr.Range())
			}
		}
	}
	return attr.Expr.Range()
}
