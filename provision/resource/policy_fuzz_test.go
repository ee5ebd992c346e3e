package resource

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzSamePolicy: the comparison never panics, is symmetric, takes each policy
// for the same as itself, and never takes two for the same of which one allows
// what the other denies.
func FuzzSamePolicy(f *testing.F) {
	texts := []string{
		"", "{}", "null", "[]", `"x"`, `{"Statement":{}}`, `{"Statement":[]}`, `{"Version":"2012-10-17"}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":["s3:*"],"Resource":["*"]}}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["123456789012","*"]},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:SecureTransport":true}}}]}`,
		`{"Statement":[{"Effect":1,"Action":null,"Condition":{"Bool":[]},"Principal":[]}]}`,
	}
	policies, err := filepath.Glob("../../templates/testdata/*.json")
	if err != nil || len(policies) == 0 {
		f.Fatalf("%v, %v", policies, err)
	}
	for _, path := range policies {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		texts = append(texts, string(raw))
	}
	for i, a := range texts {
		f.Add(a, texts[(i+1)%len(texts)])
		f.Add(a, a)
		f.Add(a, strings.ReplaceAll(a, "Allow", "Deny"))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		same := samePolicy(a, b)
		if again := samePolicy(b, a); same != again {
			t.Errorf("%t this way, and %t the other way round", same, again)
		}
		if !samePolicy(a, a) {
			t.Errorf("not the same as itself: %q", a)
		}
		if same && reflect.DeepEqual(effects(a), inverted(effects(b))) && len(effects(a)) > 0 {
			t.Errorf("what one allows the other denies:\n%s\n%s", a, b)
		}
		if flipped, ok := flip(a); ok && samePolicy(a, flipped) {
			t.Errorf("the same as its opposite: %s", a)
		}
	})
}

// effects are those of a policy's statements, in their order.
func effects(text string) (list []string) {
	var p struct{ Statement []struct{ Effect string } }
	if json.Unmarshal([]byte(text), &p) != nil {
		return nil
	}
	for _, s := range p.Statement {
		list = append(list, s.Effect)
	}
	return list
}

var opposite = map[string]string{"Allow": "Deny", "Deny": "Allow"}

func inverted(list []string) (other []string) {
	for _, e := range list {
		other = append(other, opposite[e])
	}
	return other
}

// flip is a policy whose first statement has the opposite effect; ok is false if
// it has none, or if another statement says the same.
func flip(text string) (flipped string, ok bool) {
	var p map[string]any
	if json.Unmarshal([]byte(text), &p) != nil {
		return "", false
	}
	list, _ := p["Statement"].([]any)
	if len(list) != 1 {
		return "", false
	}
	s, _ := list[0].(map[string]any)
	e, _ := s["Effect"].(string)
	if opposite[e] == "" {
		return "", false
	}
	s["Effect"] = opposite[e]
	raw, err := json.Marshal(p)
	return string(raw), err == nil
}
