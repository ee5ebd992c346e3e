package view

import (
	"strings"
	"testing"
)

// TestFit: texts are wrapped below each other, and a long word stays whole if it can.
func TestFit(t *testing.T) {
	for _, c := range []struct {
		width             int
		first, text, want string
	}{
		{0, "    role  ", "arn:aws:iam::1:role/a", "    role  arn:aws:iam::1:role/a\n"},
		{40, "    role  ", "arn:aws:iam::1:role/a", "    role  arn:aws:iam::1:role/a\n"},
		{30, "    role  ", "arn:aws:iam::1:role/a", "    role\n      arn:aws:iam::1:role/a\n"},
		{26, "    role  ", "arn:aws:iam::1:role/a", "    role  arn:aws:iam::1:role/a\n"}, // it fits nowhere
		{30, "    roles  ", "one two three four", "    roles  one two three four\n"},
		{27, "    roles  ", "one two three four", "    roles  one two three\n           four\n"},
		{30, "    roles  ", "one arn:aws:iam::1:role/a", "    roles\n      one\n      arn:aws:iam::1:role/a\n"},
	} {
		var b strings.Builder
		Options{Width: c.width}.fit(&b, c.first, c.text)
		if b.String() != c.want {
			t.Errorf("%d columns: have %q, want %q", c.width, b.String(), c.want)
		}
	}
}
