package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/flowbed/flowbed/provision/view"
)

// guarded returns a writer that replaces secrets. No code should print a secret; this
// is the second line of defense.
func (a *app) guarded(w io.Writer) io.Writer { return guard{a, w} }

type guard struct {
	a *app
	w io.Writer
}

// shortest is the length of the shortest secret that the guard replaces. Shorter values
// are not secrets, and replacing them would garble the text. Tests set it so high that
// they test the code without the guard.
var shortest = 6

func (g guard) Write(p []byte) (int, error) {
	b := p
	for _, form := range g.a.hiddenForms() {
		b = bytes.ReplaceAll(b, form, []byte("(secret)"))
	}
	if _, err := g.w.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}

// hiddenForms are the texts that the guard replaces, longest first: a secret may begin with another one,
// whose replacement would leave the rest of it.
func (a *app) hiddenForms() (list [][]byte) {
	for _, s := range slices.Concat(a.secrets, a.learned.all()) {
		for _, part := range append(strings.Split(s, "\n"), s) { // texts are wrapped and indented by lines
			if part = strings.TrimSpace(part); len(part) >= shortest {
				list = append(list, forms(part)...)
			}
		}
		if len(s) >= shortest {
			list = append(list, forms(s)...)
		}
	}
	slices.SortStableFunc(list, func(a, b []byte) int { return len(b) - len(a) })
	return slices.CompactFunc(list, bytes.Equal)
}

// learned are the secrets that a run has read from the account.
type learned struct {
	mu   sync.Mutex
	list []string
}

func (l *learned) add(secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, secret)
}

func (l *learned) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// forms returns a text as it is, and encoded for JSON, for a URL, for an HTTP authorization header, for
// the page of a report, and for the labels of a graph.
func forms(s string) [][]byte {
	list := [][]byte{[]byte(s)}
	for _, escape := range []bool{true, false} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(escape)
		if err := e.Encode(s); err == nil {
			quoted := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
			list = append(list, quoted[1:len(quoted)-1])
		}
	}
	for _, encoded := range []string{
		url.QueryEscape(s), base64.StdEncoding.EncodeToString([]byte(s)), base64.URLEncoding.EncodeToString([]byte(s)), url.PathEscape(s), html.EscapeString(s),
		view.MermaidText(s), view.DOTText(s),
	} {
		list = append(list, []byte(encoded))
	}
	return list
}
