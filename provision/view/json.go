package view

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/flowbed/flowbed/provision"
)

// FormatVersion is the version of all JSON that this package writes. docs/json.md
// describes the format. Within a version, members may be added, but none changes its
// meaning.
const FormatVersion = "2"

// The JSON form of a plan.
type (
	jsonHeader struct {
		Environment string `json:"environment"`
		Account     string `json:"account"`
		Caller      string `json:"caller"`
		Region      string `json:"region"`
		Endpoint    string `json:"endpoint,omitempty"`
		Sandbox     bool   `json:"sandbox,omitempty"`

		Endpoints map[string]string `json:"service_endpoints,omitempty"`
	}
	jsonPlan struct {
		FormatVersion string      `json:"format_version,omitempty"`
		Type          string      `json:"type"`
		Time          string      `json:"time,omitempty"`
		Verb          string      `json:"verb"`
		Header        *jsonHeader `json:"header,omitempty"`
		Steps         []jsonStep  `json:"steps"`
		Summary       jsonTally   `json:"summary"`
	}
	jsonTally struct {
		Tally
		Unknown  int  `json:"unknown"`
		Problems int  `json:"problems"`
		Empty    bool `json:"empty"`
	}
	jsonStep struct {
		Step    string       `json:"step"`
		Object  string       `json:"object,omitempty"`
		Action  string       `json:"action"`
		Owner   string       `json:"owner,omitempty"`
		Claims  []string     `json:"claims,omitempty"`
		Changes []jsonChange `json:"changes,omitempty"`
		Notes   []jsonNote   `json:"notes,omitempty"`
		Error   string       `json:"error,omitempty"`
		Awaits  string       `json:"awaits,omitempty"`
	}
	jsonChange struct {
		Field   string     `json:"field"`
		From    *jsonValue `json:"from"`
		To      *jsonValue `json:"to"`
		Replace bool       `json:"replace,omitempty"`
		Why     string     `json:"why,omitempty"`
	}
	jsonNote struct {
		Severity string `json:"severity"`
		Text     string `json:"text"`
	}
	// jsonValue has exactly one member.
	jsonValue struct {
		Text    *string         `json:"text,omitempty"`
		JSON    json.RawMessage `json:"json,omitempty"`
		Secret  bool            `json:"secret,omitempty"`
		Unknown bool            `json:"unknown,omitempty"`
	}
	jsonError struct {
		Step  string `json:"step,omitempty"`
		Doing string `json:"doing,omitempty"`
		Error string `json:"error"`
		Cause string `json:"cause,omitempty"`
		Hint  string `json:"hint,omitempty"`
	}
)

// PlanJSON writes a plan as one JSON document; verb is "up" or "down".
func PlanJSON(w io.Writer, h Header, verb string, p provision.Plan) error {
	d := planJSON(verb, p)
	d.FormatVersion, d.Header = FormatVersion, new(jsonHeader(h))
	return document(w, d)
}

func planJSON(verb string, p provision.Plan) jsonPlan {
	n := tally(p)
	d := jsonPlan{Type: "plan", Verb: verb, Steps: []jsonStep{},
		Summary: jsonTally{Tally: n, Unknown: n.unread, Problems: n.problems, Empty: p.Empty()}}
	for _, a := range p.Actions {
		d.Steps = append(d.Steps, stepJSON(a))
	}
	return d
}

func stepJSON(a provision.Action) jsonStep {
	s := jsonStep{Step: a.Step, Object: a.Object, Action: a.Op.String(), Owner: a.Owner.By, Claims: a.Owner.Claims, Awaits: a.Awaits}
	if a.Err != nil {
		s.Action, s.Error = "unknown", a.Err.Error()
	}
	for _, c := range a.Changes {
		s.Changes = append(s.Changes, jsonChange{c.Field, valueJSON(c.From), valueJSON(c.To), c.Replace, c.Why})
	}
	for _, n := range a.Notes {
		s.Notes = append(s.Notes, jsonNote{n.Severity.String(), n.Text})
	}
	return s
}

func valueJSON(v provision.Value) *jsonValue {
	switch {
	case v.IsNothing():
		return nil
	case v.IsSecret():
		return &jsonValue{Secret: true}
	case !v.Known():
		return &jsonValue{Unknown: true}
	case v.IsJSON() && json.Valid([]byte(v.String())):
		return &jsonValue{JSON: json.RawMessage(v.String())}
	}
	return &jsonValue{Text: new(v.String())}
}

func errorsJSON(err error, o Options) []jsonError {
	list := []jsonError{}
	for _, e := range split(err) {
		j := jsonError{Error: e.Error(), Hint: o.hint(e)}
		if s, ok := errors.AsType[*provision.StepError](e); ok {
			j.Step, j.Doing, j.Cause, j.Error = s.Step, s.Doing, s.Cause, s.Err.Error()
		}
		j.Error = withoutHint(j.Error, j.Hint)
		list = append(list, j)
	}
	return list
}

// Output is one output of an environment: a value, or a list of values.
type Output struct {
	Name  string
	Value string
	List  []string
}

// OutputsJSON writes outputs as one JSON document.
func OutputsJSON(w io.Writer, h Header, list []Output) error {
	return document(w, struct {
		FormatVersion string         `json:"format_version"`
		Type          string         `json:"type"`
		Header        jsonHeader     `json:"header"`
		Outputs       map[string]any `json:"outputs"`
	}{FormatVersion, "outputs", jsonHeader(h), outputsJSON(list)})
}

func outputsJSON(list []Output) map[string]any {
	m := map[string]any{}
	for _, o := range list {
		if o.List != nil {
			m[o.Name] = o.List
		} else {
			m[o.Name] = o.Value
		}
	}
	return m
}

func document(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
