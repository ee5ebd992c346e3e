package prefect

import (
	"regexp"
)

// Mark names the environment that created a pool. It is in the template and in the
// description, so that it survives an edit of either.
type Mark struct {
	Environment, Region, Account string
}

// markKey is the key of the mark in a template. The variables are a JSON schema: it
// ignores unknown keys, and Prefect stores it unchanged.
const markKey = "x-flowbed"

var marked = regexp.MustCompile(`\[flowbed:environment=([a-z0-9-]+) flowbed:region=([a-z0-9-]+) flowbed:account=([0-9]{12})\]`)

// String is the mark for a description.
func (m Mark) String() string {
	return "[flowbed:environment=" + m.Environment + " flowbed:region=" + m.Region + " flowbed:account=" + m.Account + "]"
}

// Entry is the mark for a template.
func (m Mark) Entry() Entry {
	return Entry{Name: "mark", Path: []any{"variables", markKey}, Value: map[string]any{
		"environment": m.Environment, "region": m.Region, "account": m.Account,
	}}
}

// Mark is the environment that created the pool; ok is false if the pool has no mark.
func (p Pool) Mark() (m Mark, ok bool) {
	if v, found := lookup(map[string]any(p.Template), []any{"variables", markKey}); found {
		if tags, is := v.(map[string]any); is {
			m.Environment, _ = tags["environment"].(string)
			m.Region, _ = tags["region"].(string)
			m.Account, _ = tags["account"].(string)
			if m.Environment != "" && m.Region != "" && m.Account != "" {
				return m, true
			}
		}
	}
	if f := marked.FindStringSubmatch(p.Description); f != nil {
		return Mark{f[1], f[2], f[3]}, true
	}
	return Mark{}, false
}

// Describe adds the mark to a description and keeps the text that somebody wrote.
func (m Mark) Describe(have string) string {
	if f := marked.FindString(have); f != "" {
		if f == m.String() {
			return have
		}
		return marked.ReplaceAllLiteralString(have, m.String())
	}
	if have == "" {
		have = "Runs flows on AWS Fargate."
	}
	return have + " " + m.String()
}
