package main

import (
	"bytes"
	"io"
)

// guarded is a writer that strikes out secrets. Nothing is meant to print one;
// this is the second lock on that door.
func (a *app) guarded(w io.Writer) io.Writer { return guard{a, w} }

type guard struct {
	a *app
	w io.Writer
}

// shortest is the length below which a value is no secret worth the name, and
// striking it out would only garble the text.
const shortest = 6

func (g guard) Write(p []byte) (int, error) {
	b := p
	for _, s := range g.a.secrets {
		if len(s) >= shortest {
			b = bytes.ReplaceAll(b, []byte(s), []byte("(secret)"))
		}
	}
	if _, err := g.w.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}
