package main

import (
	"fmt"
	"html"
	"io"
	"regexp"
	"strings"
	"time"
)

// The sizes of the picture, in pixels and tenths of them.
const (
	cellWidth  = 84 // tenths
	cellHeight = 18
	margin     = 16
	fontSize   = 14
)

// style is of both color schemes. The film of all frames moves by, one frame at a time.
const style = `svg { --paper: #ffffff; --ink: #24292f; --red: #cf222e; --green: #1a7f37; --yellow: #7d4e00; --blue: #0969da; --cyan: #1b7c83; --dim: #6e7781; }
@media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #e6edf3; --red: #ff7b72; --green: #3fb950; --yellow: #d29922; --blue: #79c0ff; --cyan: #76e3ea; --dim: #8b949e; } }
.paper { fill: var(--paper); stroke: var(--dim); }
text { font: %dpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); white-space: pre; }
.b { font-weight: bold; } .d { fill: var(--dim); } .r { fill: var(--red); } .g { fill: var(--green); } .y { fill: var(--yellow); } .u { fill: var(--blue); } .c { fill: var(--cyan); }
.film { animation: film %.2fs step-end infinite; }
@keyframes film { %s }
@media (prefers-reduced-motion: reduce) { .film { animation: none; transform: translateY(-%dpx); } }
`

// draw writes frames as one SVG.
func draw(w io.Writer, frames []frame) error {
	width, height := columns*cellWidth/10+2*margin, lines*cellHeight+2*margin
	whole := time.Duration(0)
	for _, f := range frames {
		whole += f.shown
	}
	var keys, film, defs strings.Builder
	ids := map[string]string{} // by line: many frames have the same
	at := time.Duration(0)
	for i, f := range frames {
		fmt.Fprintf(&keys, "%.3f%% { transform: translateY(-%dpx); } ", 100*float64(at)/float64(whole), i*height)
		at += f.shown
		for j, l := range f.screen {
			if plain(l) == "" {
				continue
			}
			id := ids[l]
			if id == "" {
				id = fmt.Sprintf("l%d", len(ids))
				ids[l] = id
				fmt.Fprintf(&defs, "<text id=\"%s\">%s</text>\n", id, spans(l))
			}
			fmt.Fprintf(&film, "<use href=\"#%s\" x=\"%d\" y=\"%d\"/>\n", id, margin, i*height+margin+(j+1)*cellHeight-4)
		}
	}
	still := height * (len(frames) - 1)
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img" aria-labelledby="title">
<title id="title">A terminal in which flowbed plans, builds, tries and removes an environment</title>
<style>
`+style+`</style>
<defs>
%[10]s</defs>
<rect class="paper" x="0.5" y="0.5" width="%[7]d" height="%[8]d" rx="8"/>
<svg x="0" y="0" width="%[1]d" height="%[2]d" overflow="hidden"><g class="film">
%[9]s</g></svg>
</svg>
`, width, height, fontSize, whole.Seconds(), strings.TrimSpace(keys.String()), still, width-1, height-1, film.String(), defs.String())
	return err
}

var sequence = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// plain is a line without its sequences.
func plain(line string) string { return strings.TrimRight(sequence.ReplaceAllString(line, ""), " ") }

// classes are those of the sequences that flowbed uses.
var classes = map[string]string{"1": "b", "2": "d", "31": "r", "32": "g", "33": "y", "34": "u", "36": "c"}

// spans is a line as SVG.
func spans(line string) string {
	var b strings.Builder
	line = strings.TrimRight(line, " ")
	var on []string
	add := func(text string) {
		text = html.EscapeString(text)
		if len(on) > 0 && text != "" {
			text = `<tspan class="` + strings.Join(on, " ") + `">` + text + "</tspan>"
		}
		b.WriteString(text)
	}
	at := 0
	for _, m := range sequence.FindAllStringSubmatchIndex(line, -1) {
		add(line[at:m[0]])
		at = m[1]
		for code := range strings.SplitSeq(line[m[2]:m[3]], ";") {
			switch class := classes[code]; {
			case code == "" || code == "0":
				on = nil
			case code == "39": // the color of the ink
				on = without(on)
			case class != "":
				on = append(on, class)
			}
		}
	}
	add(line[at:])
	return b.String()
}

// without leaves only what is no color.
func without(on []string) (rest []string) {
	for _, c := range on {
		if c == "b" || c == "d" {
			rest = append(rest, c)
		}
	}
	return rest
}
