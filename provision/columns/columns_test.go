package columns

import (
	"slices"
	"strings"
	"testing"
)

// The widths are those of Unicode's annexes 11 and 51, and so of modern terminals.
func TestOf(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "flowbed": 7, "→ ✓ ✗ · ± …": 11,
		"桶": 2, "流れ床": 6, "한국": 4, "ｆ": 2, // wide
		"e\u0301": 1, "e\u0301ne\u0301": 3, "a\u200bb": 2, // combining, and of no width
		"🚀": 2, "❤️": 2, "👍🏽": 2, "👨‍👩‍👧": 2, "🇩🇪": 2, // emoji: of one character, and of several
	} {
		if have := Of(text); have != want {
			t.Errorf("%q: have %d columns, want %d", text, have, want)
		}
	}
}

func TestPad(t *testing.T) {
	for text, want := range map[string]string{"": "    ", "桶": "桶  ", "e\u0301": "e\u0301   ", "longer": "longer"} {
		if have := Pad(text, 4); have != want {
			t.Errorf("%q: have %q, want %q", text, have, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"flowbed", 0, "flowbed"}, {"flowbed", 7, "flowbed"}, {"flowbed", 6, "flowb…"}, {"flowbed", 1, "…"},
		{"流れ床", 6, "流れ床"}, {"流れ床", 5, "流れ…"}, {"流れ床", 4, "流…"}, {"流れ床", 2, "…"}, // no half of a character
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
		{"🇩🇪🇫🇷", 3, "🇩🇪…"}, {"👨‍👩‍👧👨‍👩‍👧", 3, "👨‍👩‍👧…"}, // an emoji is not cut up
	} {
		if have := Cut(c.text, c.width); have != c.want {
			t.Errorf("%q in %d: have %q, want %q", c.text, c.width, have, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 0, []string{"one two three"}},
		{"one two three", 7, []string{"one two", "three"}},
		{"one  two   three", 13, []string{"one two three"}},
		{"one\n\ntwo three four", 9, []string{"one", "", "two three", "four"}},
		{"see arn:aws:iam::123456789012:role/x now", 10, []string{"see", "arn:aws:iam::123456789012:role/x", "now"}},
		{"  one two three", 9, []string{"  one two", "  three"}},
		{"流れ 床 流れ", 7, []string{"流れ 床", "流れ"}},
		{"🚀 🚀 🚀", 5, []string{"🚀 🚀", "🚀"}},
	} {
		if have := Wrap(c.text, c.width); !slices.Equal(have, c.want) {
			t.Errorf("%q in %d: have %q, want %q", c.text, c.width, have, c.want)
		}
	}
}

// FuzzFit: no line of several words is too wide, no word is lost, and a shortened text fits.
func FuzzFit(f *testing.F) {
	f.Add("one two three", 5)
	f.Add("流れ 👨‍👩‍👧 e\u0301", 3)
	f.Add("\xff\xfe \u200d", 1)
	f.Fuzz(func(t *testing.T, text string, width int) {
		text, width = strings.ToValidUTF8(text, "\ufffd"), max(1, min(width, 200))
		for _, l := range Wrap(text, width) {
			if Of(l) > width && len(strings.Fields(l)) > 1 {
				t.Errorf("%q is wider than %d", l, width)
			}
		}
		if have, want := strings.Fields(strings.Join(Wrap(text, width), " ")), strings.Fields(text); !slices.Equal(have, want) {
			t.Errorf("have %q, want %q", have, want)
		}
		if have := Cut(text, width); Of(have) > width {
			t.Errorf("%q is wider than %d", have, width)
		}
	})
}
