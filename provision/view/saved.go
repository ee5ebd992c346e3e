package view

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// SavedPlan is a plan in a file, so that a later run carries out this plan or nothing. It has
// everything that the plan depends on, and not the value of any secret.
type SavedPlan struct {
	Program string // the version of flowbed that made it: another one may plan differently
	Created time.Time
	Verb    string // "up" or "down"
	Header  Header
	Flags   []string          // those of the command that the plan was made with, such as "--force-destroy"
	Config  map[string]string // what the config file says, by attribute

	// Hide replaces what the file must not have; nil if there is nothing. It is the second lock:
	// no value of a secret gets here.
	Hide func(text []byte) []byte

	// Fingerprint is the same for two plans of the same changes from the same state, whoever
	// made them and when.
	Fingerprint string

	steps []jsonStep
}

// jsonSavedPlan is a plan in a file, and what it depends on.
type jsonSavedPlan struct {
	FormatVersion string            `json:"format_version" schema:"2"`
	Type          string            `json:"type" schema:"saved-plan"`
	Program       string            `json:"flowbed"` // the version of flowbed that made it
	Created       string            `json:"created" schema:"date-time"`
	Fingerprint   string            `json:"fingerprint"` // of everything but flowbed, created and the caller
	Verb          string            `json:"verb" schema:"up|down"`
	Header        jsonHeader        `json:"header"`
	Flags         []string          `json:"flags"`  // of the command that made it, and that hold for the run
	Config        map[string]string `json:"config"` // what the config file says, by attribute
	Steps         []jsonStep        `json:"steps"`
	Summary       jsonTally         `json:"summary"`
}

const savedPlanType = "saved-plan"

// NewSavedPlan returns a plan for a file. It sets the time and the fingerprint.
func NewSavedPlan(s SavedPlan, p provision.Plan) (SavedPlan, error) {
	s.Created = time.Now()
	steps, config, err := s.contents(s.Config, p)
	if err != nil {
		return s, err
	}
	s.steps, s.Config = steps, config
	s.Fingerprint, err = s.fingerprint()
	return s, err
}

// longestValue is the longest value of an attribute that a saved plan has. A longer one, such
// as a script, is there by its digest: it is only compared.
const longestValue = 200

func shortened(config map[string]string) map[string]string {
	short := map[string]string{}
	for name, value := range config {
		if len(value) > longestValue {
			sum := sha256.Sum256([]byte(value))
			value = fmt.Sprintf("%d bytes, sha256 %s", len(value), hex.EncodeToString(sum[:]))
		}
		short[name] = value
	}
	return short
}

// contents are the steps of a plan and a config file as they are read again from a file.
func (s SavedPlan) contents(config map[string]string, p provision.Plan) ([]jsonStep, map[string]string, error) {
	var read struct {
		Config map[string]string
		Steps  []jsonStep
	}
	read.Config, read.Steps = shortened(config), planJSON("", p).Steps
	text, err := json.Marshal(read)
	if err == nil {
		if s.Hide != nil {
			text = s.Hide(text)
		}
		read.Config, read.Steps = nil, nil
		err = json.Unmarshal(text, &read)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("encode the plan: %w", err)
	}
	return read.Steps, read.Config, nil
}

func (s SavedPlan) json() jsonSavedPlan {
	d := jsonSavedPlan{
		FormatVersion: FormatVersion, Type: savedPlanType, Program: s.Program, Created: stamp(s.Created), Fingerprint: s.Fingerprint,
		Verb: s.Verb, Header: jsonHeader(s.Header), Flags: s.Flags, Config: s.Config, Steps: s.steps,
	}
	if d.Flags == nil {
		d.Flags = []string{}
	}
	if d.Steps == nil {
		d.Steps = []jsonStep{}
	}
	d.Summary = summaryOf(s.steps)
	return d
}

// summaryOf counts steps that come from a file.
func summaryOf(steps []jsonStep) (t jsonTally) {
	counts := map[string]*int{
		"create": &t.Create, "change": &t.Change, "replace": &t.Replace, "delete": &t.Delete, "release": &t.Release, "use": &t.Use,
		"conflict": &t.Conflict, "missing": &t.Missing, "skip": &t.Skip, "leave": &t.Leave, "none": &t.Unchanged, "unknown": &t.Unknown,
	}
	for _, s := range steps {
		if n := counts[s.Action]; n != nil {
			*n++
		}
		for _, n := range s.Notes {
			if n.Severity == provision.Error.String() {
				t.Problems++
			}
		}
	}
	t.Empty = t.Create+t.Change+t.Replace+t.Delete+t.Release == 0
	return t
}

func (s SavedPlan) fingerprint() (string, error) {
	d := s.json()
	d.Fingerprint, d.Created, d.Program, d.Header.Caller = "", "", "", ""
	text, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("encode the plan: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}

// WriteSavedPlan writes a saved plan as one JSON document.
func WriteSavedPlan(w io.Writer, s SavedPlan) error { return document(w, s.json()) }

// LargestSavedPlan is the size in bytes of the largest file that ReadSavedPlan reads. A plan of
// an environment with everything has a hundredth of it.
const LargestSavedPlan = 16 << 20

// SavedPlanError says why a file is no plan that can be carried out.
type SavedPlanError struct{ What, Todo string }

func (e *SavedPlanError) Error() string { return e.What }

// Hint is what to do about it.
func (e *SavedPlanError) Hint() string { return e.Todo }

// ReadSavedPlan reads a saved plan of a version of flowbed. The error is a SavedPlanError, or
// that of the reader. path names the file in it, as a shell would read it.
func ReadSavedPlan(r io.Reader, path, program string) (SavedPlan, error) {
	text, err := io.ReadAll(io.LimitReader(r, LargestSavedPlan+1))
	if err != nil {
		return SavedPlan{}, fmt.Errorf("read the plan: %w", err)
	}
	f := planFile{path, text}
	if len(text) > LargestSavedPlan {
		return SavedPlan{}, f.broken("%s is larger than %d MiB, and no saved plan is", path, LargestSavedPlan>>20)
	}
	if err := f.checkHead(program); err != nil {
		return SavedPlan{}, err
	}
	var d jsonSavedPlan
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return SavedPlan{}, f.wrong(err)
	}
	created, err := time.Parse(time.RFC3339, d.Created)
	if err != nil {
		return SavedPlan{}, f.broken("%s was changed after flowbed wrote it: created is not a time", path)
	}
	s := SavedPlan{
		Program: d.Program, Created: created, Verb: d.Verb, Header: Header(d.Header), Flags: d.Flags,
		Config: d.Config, Fingerprint: d.Fingerprint, steps: d.Steps,
	}
	if want, err := s.fingerprint(); err != nil || want != s.Fingerprint || s.Verb != "up" && s.Verb != "down" {
		return SavedPlan{}, f.broken("%s was changed after flowbed wrote it: its fingerprint is that of another plan", path)
	}
	return s, nil
}

// planFile is the text of a file that should be a saved plan.
type planFile struct {
	path string
	text []byte
}

// checkHead tells what the file is, before its form matters.
func (f planFile) checkHead(program string) error {
	var head struct {
		FormatVersion any `json:"format_version"`
		Type          any `json:"type"`
		Program       any `json:"flowbed"`
	}
	d := json.NewDecoder(bytes.NewReader(f.text))
	if err := d.Decode(&head); err != nil {
		return f.wrong(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return f.broken("%s is not a saved plan: something follows its end at %s", f.path, f.at(d.InputOffset()))
	}
	switch {
	case head.Type == "plan" || head.Type == "version":
		return f.broken("%s is what --json prints, and not a saved plan", f.path)
	case head.Type != savedPlanType:
		return f.broken("%s is not a saved plan of flowbed", f.path)
	case head.FormatVersion != FormatVersion || head.Program != program:
		return &SavedPlanError{fmt.Sprintf("%s is a plan of flowbed %s, and this is flowbed %s: they may plan differently",
			f.path, orUnknown(head.Program), program),
			"use the version that made the plan, or make it again: " + f.again()}
	}
	return nil
}

func orUnknown(version any) string {
	if s, ok := version.(string); ok && s != "" && len(s) < 100 {
		return s
	}
	return "of an unknown version"
}

// again is what makes the plan of the file once more.
func (f planFile) again() string {
	if bytes.Contains(f.text, []byte(`"verb": "down"`)) {
		return "`flowbed plan --down --out " + f.path + "`"
	}
	return "`flowbed plan --out " + f.path + "`"
}

// todo is what to do about a file that cannot be carried out. A file that flowbed did not write may be
// dear to somebody, so no command is proposed that would write over it.
func (f planFile) todo() string {
	if len(bytes.TrimSpace(f.text)) > 0 && !bytes.Contains(f.text, []byte(`"`+savedPlanType+`"`)) {
		return "name a file that `flowbed plan --out FILE` has written"
	}
	return "make the plan again: " + f.again()
}

func (f planFile) broken(format string, args ...any) error {
	return &SavedPlanError{fmt.Sprintf(format, args...), f.todo()}
}

// wrong is the error of a file that JSON's decoder rejects, with the place.
func (f planFile) wrong(err error) error {
	if len(bytes.TrimSpace(f.text)) == 0 {
		return f.broken("%s is empty", f.path)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return f.broken("%s is cut off at %s: a part of the plan is missing", f.path, f.at(int64(len(f.text))))
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return f.broken("%s is not a saved plan: it is no JSON at %s", f.path, f.at(e.Offset))
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return f.broken("%s was changed after flowbed wrote it: at %s there is a %s that does not belong there", f.path, f.at(e.Offset), e.Value)
	}
	return f.broken("%s was changed after flowbed wrote it: %s", f.path, strings.TrimPrefix(err.Error(), "json: "))
}

// at is a place in the text.
func (f planFile) at(offset int64) string {
	before := f.text[:min(max(offset, 0), int64(len(f.text)))]
	line := bytes.Count(before, []byte("\n"))
	return fmt.Sprintf("line %d, column %d", line+1, len(before)-bytes.LastIndexByte(before, '\n')-1)
}
