package core

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A service for these tests. It keeps strings, globally and per region.
type (
	PutTextInput   struct{ Text string }
	PutTextOutput  struct{}
	GetTextsInput  struct{}
	GetTextsOutput struct{ Texts []string }
	DropTextInput  struct{ Text *string }
)

type texts struct {
	Texts []string `json:"texts"`
}

var (
	tests      = NewService("core", func(r *Request) *Request { return r }, Rules{})
	everywhere = Global("everywhere", func(_ *Request, d *texts) any { return d.Texts })
	here       = Regional("here", func(region string) *texts { return &texts{[]string{region}} },
		func(r *Request, d *texts) any { return append([]string{r.Region}, d.Texts...) })
)

func putText(r *Request, in *PutTextInput) (*PutTextOutput, error) {
	for _, d := range []*texts{everywhere.Of(r), here.In(r)} {
		d.Texts = append(d.Texts, in.Text)
	}
	return &PutTextOutput{}, nil
}

func getTexts(r *Request, _ *GetTextsInput) (*GetTextsOutput, error) {
	return &GetTextsOutput{append(everywhere.Of(r).Texts, here.In(r).Texts...)}, nil
}

func init() {
	Register(tests, putText, func(_ *Request, a Access, in *PutTextInput) []Access { return a.To(in.Text) })
	Register(tests, getTexts, Anything)
}

func putOne(t *testing.T, a *Account, region, text string) {
	t.Helper()
	if _, err := a.handle(t.Context(), region, &PutTextInput{text}); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, a *Account, region string) string {
	t.Helper()
	out, err := a.handle(t.Context(), region, &GetTextsInput{})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out.(*GetTextsOutput).Texts, " ")
}

func TestParts(t *testing.T) {
	a := New()
	putOne(t, a, "eu-north-1", "a")
	putOne(t, a, "us-east-1", "b")
	if have, want := get(t, a, "us-east-1"), "a b us-east-1 b"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
	path := t.TempDir() + "/sandbox.json"
	if err := a.Save(path); err != nil {
		t.Fatal(err)
	}
	b, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "map[everywhere:[a b] here eu-north-1:[eu-north-1 eu-north-1 a] here us-east-1:[us-east-1 us-east-1 b]]"
	if have := fmt.Sprint(b.Inventory()); have != want {
		t.Errorf("after loading: have %s, want %s", have, want)
	}
}

func TestAuthorizationComesFirst(t *testing.T) {
	a := New()
	a.Policy = `{"Statement":[{"Effect":"Allow","Action":"core:PutText","Resource":"arn:aws:core:::good*"},{"Effect":"Allow","Action":"core:GetTexts","Resource":"*"}]}`
	_, err := a.handle(t.Context(), "us-east-1", &PutTextInput{"arn:aws:core:::bad"})
	if CodeOf(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "core:PutText on resource: arn:aws:core:::bad because") {
		t.Errorf("have %v, want AccessDeniedException for core:PutText", err)
	}
	putOne(t, a, "us-east-1", "arn:aws:core:::good")
	if have, want := get(t, a, "us-east-1"), "arn:aws:core:::good us-east-1 arn:aws:core:::good"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}

// TestPastIsForgotten checks that the account keeps a snapshot only as long as a
// read may see it.
func TestPastIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New()
		a.Lag = 10 * time.Second
		putOne(t, a, "us-east-1", "a")
		putOne(t, a, "us-east-1", "b")
		if have, want := get(t, a, "us-east-1"), "us-east-1"; have != want || len(a.past) != 2 {
			t.Errorf("at once: have %q with %d snapshots, want %q with 2", have, len(a.past), want)
		}
		time.Sleep(10 * time.Second)
		putOne(t, a, "us-east-1", "c")
		if have, want := get(t, a, "us-east-1"), "a b us-east-1 a b"; have != want || len(a.past) != 1 {
			t.Errorf("after the lag: have %q with %d snapshots, want %q with 1", have, len(a.past), want)
		}
	})
}

func TestRegisterPanics(t *testing.T) {
	drop := func(*Request, *DropTextInput) (*PutTextOutput, error) { return nil, nil }
	for want, register := range map[string]func(){
		"without its authorization": func() { Register(tests, drop, nil) },
		"registered twice":          func() { Register(tests, putText, Anything) },
		"as an operation of other": func() {
			Register(NewService("other", func(r *Request) *Request { return r }, Rules{}), drop, Anything)
		},
		`named "here"`:   func() { Global("here", func(*Request, *texts) any { return nil }) },
		`named "serial"`: func() { Global("serial", func(*Request, *texts) any { return nil }) },
	} {
		func() {
			defer func() {
				if have := fmt.Sprint(recover()); !strings.Contains(have, want) {
					t.Errorf("have panic %q, want one that contains %q", have, want)
				}
			}()
			register()
		}()
	}
	if _, err := New().handle(t.Context(), "us-east-1", &DropTextInput{}); CodeOf(err) != "NotImplemented" {
		t.Errorf("unregistered operation: have %v, want code NotImplemented", err)
	}
}

func TestText(t *testing.T) {
	text := "a"
	if have := Text(&DropTextInput{&text}, "Text"); have != "a" {
		t.Errorf("have %q, want %q", have, text)
	}
	if have := Text(&DropTextInput{}, "Text"); have != "" {
		t.Errorf("nil member: have %q, want an empty string", have)
	}
	defer func() {
		if recover() == nil {
			t.Error("Text did not panic for a member that does not exist")
		}
	}()
	Text(&DropTextInput{&text}, "Txt")
}
