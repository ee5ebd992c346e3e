package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
)

// guarded is a writer that strikes out secrets. Nothing is meant to print one;
// this is the second lock on that door.
func (a *app) guarded(w io.Writer) io.Writer { return guard{a, w} }

type guard struct {
	a *app
	w io.Writer
}

// shortest is the length below which a value is no secret worth the name, and
// striking it out would only garble the text. Tests set it so high that the
// first lock is on its own.
var shortest = 6

func (g guard) Write(p []byte) (int, error) {
	b := p
	for _, s := range g.a.secrets {
		if len(s) < shortest {
			continue
		}
		for _, form := range forms(s) {
			b = bytes.ReplaceAll(b, form, []byte("(secret)"))
		}
	}
	if _, err := g.w.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}

// forms are how a text looks as it is, and in what carries texts: in JSON, in a
// URL, and in the header of HTTP that has a password in it.
func forms(s string) [][]byte {
	list := [][]byte{[]byte(s)}
	for _, html := range []bool{true, false} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if err := e.Encode(s); err == nil {
			quoted := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
			list = append(list, quoted[1:len(quoted)-1])
		}
	}
	return append(list, []byte(url.QueryEscape(s)), []byte(base64.StdEncoding.EncodeToString([]byte(s))))
}
