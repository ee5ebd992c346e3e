package view

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/cost"
)

// FormatVersion is the version of all JSON that this package writes. docs/json.md
// describes the format. Within a version, members may be added, but none changes its
// meaning.
const FormatVersion = "2"

// The JSON form of a plan. Package gendoc makes JSON Schemas of these types and of the others
// whose names begin with json: their comments become descriptions, and the tag schema has the
// values of a string, or the format of one.
type (
	jsonHeader struct {
		Environment string `json:"environment"`
		Account     string `json:"account"` // empty if the run failed before it knew the account
		Caller      string `json:"caller"`  // the ARN of the caller
		Region      string `json:"region"`
		Endpoint    string `json:"endpoint,omitempty"` // of all AWS services, if it is not AWS's own
		Sandbox     bool   `json:"sandbox,omitempty"`  // nothing is real

		Endpoints map[string]string `json:"service_endpoints,omitempty"` // of single AWS services
	}
	jsonPlan struct {
		FormatVersion string      `json:"format_version,omitempty" schema:"2"`
		Type          string      `json:"type" schema:"plan"`
		Time          string      `json:"time,omitempty" schema:"date-time"`
		Verb          string      `json:"verb" schema:"up|down"`
		Header        *jsonHeader `json:"header,omitempty"`
		Steps         []jsonStep  `json:"steps"`
		Summary       jsonTally   `json:"summary"`
		Cost          *jsonCost   `json:"cost,omitempty"` // after up; none with down
	}
	jsonTally struct {
		Tally
		Unknown  int  `json:"unknown"`
		Problems int  `json:"problems"` // what stops the run
		Empty    bool `json:"empty"`    // there is nothing to do
	}
	// jsonStep is one resource of the environment.
	jsonStep struct {
		Step    string       `json:"step"`
		Object  string       `json:"object,omitempty"` // its name or id in AWS, or the name that it will get
		Action  string       `json:"action" schema:"none|create|change|replace|delete|release|use|conflict|missing|skip|leave|unknown"`
		Owner   string       `json:"owner,omitempty"`  // the environment that created it
		Claims  []string     `json:"claims,omitempty"` // the environments that use it, if it is shared
		Changes []jsonChange `json:"changes,omitempty"`
		Notes   []jsonNote   `json:"notes,omitempty"`
		Error   string       `json:"error,omitempty"`  // why it could not be read
		Awaits  string       `json:"awaits,omitempty"` // the step that must be read before it
	}
	jsonChange struct {
		Field   string     `json:"field"`
		From    *jsonValue `json:"from"`
		To      *jsonValue `json:"to"`
		Replace bool       `json:"replace,omitempty"` // needs a new resource
		Why     string     `json:"why,omitempty"`     // the reason for the new resource
		Causes  []string   `json:"causes,omitempty"`  // why a script differs, in words
		Diff    string     `json:"diff,omitempty"`    // of two scripts, in the unified format
	}
	jsonNote struct {
		Severity string `json:"severity" schema:"info|warning|error"`
		Text     string `json:"text"`
	}
	// jsonValue has exactly one member.
	jsonValue struct {
		Text    *string         `json:"text,omitempty"`
		JSON    json.RawMessage `json:"json,omitempty"`    // a JSON document
		Secret  bool            `json:"secret,omitempty"`  // there is a value, and it is not shown
		Unknown bool            `json:"unknown,omitempty"` // the value is known only after an earlier step
	}
	jsonError struct {
		Step  string `json:"step,omitempty"`
		Doing string `json:"doing,omitempty"`
		Error string `json:"error"`
		Cause string `json:"cause,omitempty"`
		Hint  string `json:"hint,omitempty"` // what to do
	}
	jsonOutputs struct {
		FormatVersion string         `json:"format_version" schema:"2"`
		Type          string         `json:"type" schema:"outputs"`
		Header        jsonHeader     `json:"header"`
		Outputs       map[string]any `json:"outputs" schema:"string|list"` // by their names
	}
)

// PlanJSON writes a plan as one JSON document; verb is "up" or "down". The estimate may be nil.
func PlanJSON(w io.Writer, h Header, verb string, p provision.Plan, e *cost.Estimate) error {
	d := planJSON(verb, p)
	d.Cost = costJSON(e)
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
		d := jsonChange{Field: c.Field, From: valueJSON(c.From), To: valueJSON(c.To), Replace: c.Replace, Why: c.Why, Causes: c.Causes}
		if c.From.IsScript() && c.To.IsScript() {
			d.Diff = unified(c.From.String(), c.To.String())
		}
		s.Changes = append(s.Changes, d)
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
	return document(w, jsonOutputs{FormatVersion, "outputs", jsonHeader(h), outputsJSON(list)})
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
