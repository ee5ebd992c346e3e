package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiled are the schemas of docs/schemas by their names.
var compiled sync.Map

// schemaOf reads a schema. Members that it does not know are an error here, though readers
// have to ignore them: a new member belongs into the schema.
func schemaOf(name string) (*jsonschema.Schema, error) {
	if s, ok := compiled.Load(name); ok {
		return s.(*jsonschema.Schema), nil
	}
	text, err := os.ReadFile("../../docs/schemas/" + name + ".json")
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, strict(doc)); err != nil {
		return nil, err
	}
	s, err := c.Compile(name)
	if err == nil {
		compiled.Store(name, s)
	}
	return s, err
}

// strict lets no object of a schema have members that it does not list.
func strict(doc any) any {
	switch d := doc.(type) {
	case []any:
		for _, v := range d {
			strict(v)
		}
	case map[string]any:
		if d["properties"] != nil && d["type"] == "object" {
			d["additionalProperties"] = false
		}
		for _, v := range d {
			strict(v)
		}
	}
	return doc
}

// schemaNames are the schemas of documents by their types.
var schemaNames = map[string]string{
	"plan": "plan", "list": "list", "sweep": "list", "outputs": "outputs", "doctor": "doctor", "build": "version", "receipt": "receipt", "saved-plan": "saved-plan", "show": "show", "lock": "lock", "validation": "validation",
}

// checkSchemas checks that a text is JSON documents, or lines, that their schemas describe.
func checkSchemas(text string) error {
	lines := "" // the schema of the lines that follow the first one
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var raw json.RawMessage
		if err := d.Decode(&raw); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		var head struct{ Type, Verb string }
		if err := json.Unmarshal(raw, &head); err != nil {
			return err
		}
		name := lines
		switch {
		case head.Type == "version" && head.Verb == "hello":
			lines, name = "hello", "hello"
		case head.Type == "version":
			lines, name = "run", "run"
		case lines == "":
			name = schemaNames[head.Type]
		}
		if err := checkSchema(name, raw); err != nil {
			return err
		}
	}
}

// checkSchema checks one document.
func checkSchema(name string, raw []byte) error {
	s, err := schemaOf(name)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	if err := s.Validate(doc); err != nil {
		return fmt.Errorf("docs/schemas/%s.json does not describe %s: %w", name, raw, err)
	}
	return nil
}

// followsSchema checks files: follows FILE…
func followsSchema(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: follows file...")
	}
	for _, file := range args {
		ts.Check(checkSchemas(ts.ReadFile(file)))
	}
}

// TestExamplesFollowSchemas: the examples of docs/json.md, and the plans of package view, are
// what the schemas describe.
func TestExamplesFollowSchemas(t *testing.T) {
	examples := regexp.MustCompile("(?s)<!-- example: (\\w+) -->\n```json\n(.*?)```").FindAllStringSubmatch(readPage(t, "../../docs/json.md"), -1)
	if len(examples) < 9 {
		t.Fatalf("only %d examples", len(examples))
	}
	for _, m := range examples {
		if err := checkSchemas(m[2]); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
	plans, err := filepath.Glob("../../provision/view/testdata/json/*")
	if err != nil || len(plans) < 5 {
		t.Fatalf("%d plans, %v", len(plans), err)
	}
	for _, p := range plans {
		if err := checkSchemas(readPage(t, p)); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// TestSchemasRefuse: the schemas, and the way they are used here, find what is wrong.
func TestSchemasRefuse(t *testing.T) {
	const head = `"header":{"environment":"dev","account":"1","caller":"c","region":"r"}`
	const first = `{"type":"version","time":"2026-11-26T08:00:00Z","format_version":"2","verb":"up",` + head + `}`
	for name, text := range map[string]string{
		"another version":  `{"format_version":"3","type":"outputs",` + head + `,"outputs":{}}`,
		"a number":         `{"format_version":"2","type":"outputs",` + head + `,"outputs":{"bucket":1}}`,
		"a missing member": `{"format_version":"2","type":"outputs",` + head + `}`,
		"a new member":     `{"format_version":"2","type":"outputs",` + head + `,"outputs":{},"more":1}`,
		"another type":     `{"format_version":"2","type":"other"}`,
		"an unknown line":  first + `{"type":"other","time":"2026-11-26T08:00:00Z"}`,
		"a time":           strings.Replace(first, "2026-11-26T08", "yesterday", 1),
		"an action":        first + `{"type":"done","time":"2026-11-26T08:00:00Z","step":"bucket","action":"paint","elapsed_seconds":1}`,
		"two values": `{"format_version":"2","type":"plan","verb":"up","steps":[{"step":"bucket","action":"change","changes":` +
			`[{"field":"a","from":null,"to":{"text":"a","secret":true}}]}],"summary":{"create":0,"change":1,"replace":0,"delete":0,` +
			`"release":0,"use":0,"conflict":0,"missing":0,"skip":0,"leave":0,"unchanged":0,"unknown":0,"problems":0,"empty":false}}`,
	} {
		if err := checkSchemas(text); err == nil {
			t.Errorf("%s is accepted: %s", name, text)
		}
	}
	if err := checkSchemas(first); err != nil {
		t.Error(err)
	}
}
