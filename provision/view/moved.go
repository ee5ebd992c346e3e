package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// Elsewhere returns how the place of a saved plan differs from that of the run: its account,
// region, endpoints and environment. The caller may be another.
func (s SavedPlan) Elsewhere(now Header) (list []string) {
	was := s.Header
	for _, d := range [][3]string{
		{"environment", was.Environment, now.Environment}, {"account", was.Account, now.Account}, {"region", was.Region, now.Region},
		{"sandbox", fmt.Sprint(was.Sandbox), fmt.Sprint(now.Sandbox)}, {"endpoint", was.Endpoint, now.Endpoint},
		{"endpoints of AWS services", was.Places(), now.Places()},
	} {
		if d[1] != d[2] {
			list = append(list, fmt.Sprintf("%s: %s in the plan, %s now", d[0], orNobody(d[1]), orNobody(d[2])))
		}
	}
	return list
}

func orNobody(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// Moved returns how a plan, and the config file that it was made from, differ from the saved
// one: a line for each attribute and each object. It is empty if they are the same. Notes that
// only inform may differ, and so may the environments that share an object.
func (s SavedPlan) Moved(config map[string]string, now provision.Plan) ([]string, error) {
	steps, config, err := s.contents(config, now)
	if err != nil {
		return nil, err
	}
	return append(s.movedConfig(config), s.movedSteps(steps)...), nil
}

func (s SavedPlan) movedConfig(config map[string]string) (list []string) {
	names := maps.Clone(config)
	maps.Copy(names, s.Config)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, is := s.Config[name], config[name]
		if was != is {
			list = append(list, fmt.Sprintf("config file: %s: %s in the plan, %s now", name, orNobody(brieflyText(was)), orNobody(brieflyText(is))))
		}
	}
	return list
}

func (s SavedPlan) movedSteps(now []jsonStep) (list []string) {
	left := map[string]jsonStep{}
	for _, step := range now {
		left[step.Step] = step
	}
	for _, was := range s.steps {
		is, ok := left[was.Step]
		delete(left, was.Step)
		if !ok {
			list = append(list, headed(was, "in the plan (%s), and not any more", actionWord(was)))
		} else if d := differences(was, is); len(d) > 0 {
			list = append(list, headed(was, "%s", strings.Join(d, "; ")))
		}
	}
	for _, step := range now {
		if _, ok := left[step.Step]; ok {
			list = append(list, headed(step, "not in the plan (%s now)", actionWord(step)))
		}
	}
	return list
}

func headed(s jsonStep, format string, args ...any) string {
	return strings.TrimSpace(s.Step+" "+s.Object) + ": " + fmt.Sprintf(format, args...)
}

func actionWord(s jsonStep) string {
	if s.Action == provision.None.String() {
		return marks[provision.None].word
	}
	return s.Action
}

// differences are those of one object.
func differences(was, is jsonStep) (list []string) {
	if nothing := provision.None.String(); is.Action == nothing && was.Action != nothing {
		return []string{was.Action + " in the plan, nothing to do now"}
	}
	for _, d := range [][3]string{
		{"", actionWord(was), actionWord(is)}, {"object ", was.Object, is.Object}, {"owner ", was.Owner, is.Owner}, {"error ", was.Error, is.Error},
	} {
		if d[1] != d[2] {
			list = append(list, fmt.Sprintf("%s%s in the plan, %s now", d[0], orNobody(d[1]), orNobody(d[2])))
		}
	}
	after := slices.Clone(is.Changes)
	for _, c := range was.Changes {
		i := slices.IndexFunc(after, func(d jsonChange) bool { return d.Field == c.Field })
		if i < 0 {
			list = append(list, c.Field+" no longer differs")
			continue
		}
		if d := changed(c, after[i]); d != "" {
			list = append(list, d)
		}
		after = slices.Delete(after, i, i+1)
	}
	for _, c := range after {
		list = append(list, c.Field+" differs now: "+brieflyChange(c))
	}
	return append(list, differentWarnings(was.Notes, is.Notes)...)
}

// changed tells how a change differs from the planned one; empty if it does not.
func changed(was, is jsonChange) string {
	if sameValue(was.From, is.From) && sameValue(was.To, is.To) && was.Replace == is.Replace {
		return ""
	}
	a, b := brieflyChange(was), brieflyChange(is)
	if a == b {
		return was.Field + ": another value than in the plan"
	}
	return fmt.Sprintf("%s: %s in the plan, %s now", was.Field, a, b)
}

func sameValue(a, b *jsonValue) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func brieflyChange(c jsonChange) string {
	text := briefly(c.From) + " → " + briefly(c.To)
	if c.Replace {
		text += ", by a new object"
	}
	return text
}

// briefly is a value in a few words.
func briefly(v *jsonValue) string {
	switch {
	case v == nil:
		return "(none)"
	case v.Secret:
		return provision.Secret().String()
	case v.Unknown:
		return provision.Unknown().String()
	case v.Text != nil:
		return brieflyText(*v.Text)
	}
	return brieflyText(outline(string(v.JSON)))
}

func brieflyText(s string) string { return cut(strings.Join(strings.Fields(s), " "), 60) }

// differentWarnings are the warnings and errors that only one of two plans has.
func differentWarnings(was, is []jsonNote) (list []string) {
	info := func(n jsonNote) bool { return n.Severity == provision.Info.String() }
	was, is = slices.DeleteFunc(slices.Clone(was), info), slices.DeleteFunc(slices.Clone(is), info)
	for _, n := range was {
		if !slices.Contains(is, n) {
			list = append(list, "no longer: "+n.Severity+": "+n.Text)
		}
	}
	for _, n := range is {
		if !slices.Contains(was, n) {
			list = append(list, "new: "+n.Severity+": "+n.Text)
		}
	}
	return list
}
