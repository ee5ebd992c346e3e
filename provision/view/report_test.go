package view

import (
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowbed/flowbed/test/e2e/able"
)

// reported is the report of the story.
func reported(t *testing.T) string {
	t.Helper()
	r := Run{Began: start, Ended: start.Add(95 * time.Second), Build: Build{Version: "1.2.3", Platform: "linux/amd64"},
		Prefect: "3.9.1", Planned: trouble, Events: story(), Outcome: outcome}
	return reportOf(t, r)
}

func reportOf(t *testing.T, r Run) string {
	t.Helper()
	var b strings.Builder
	o := Options{Verb: "up", Header: testHeader, Color: true, Width: 80, Hint: func(error) string { return "grant it <b>" }}
	if err := ReportHTML(&b, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReport(t *testing.T) { golden(t, "run/report", reported(t)) }

// TestReportOfNothing: a run without a plan, or without anything to do, has a report, too.
func TestReportOfNothing(t *testing.T) {
	for name, c := range map[string]struct {
		run  Run
		want []string
	}{
		"no account":    {Run{Outcome: Outcome{Err: errors.New("no <credentials>")}}, []string{"It failed. Up: nothing to do", "no &lt;credentials&gt;", "→ grant it &lt;b&gt;"}},
		"nothing to do": {Run{}, []string{`<p class="ok">Up: nothing to do in 0.0s.</p>`}},
	} {
		t.Run(name, func(t *testing.T) {
			page := reportOf(t, c.run)
			wellMade(t, page)
			for _, want := range c.want {
				if !strings.Contains(page, want) {
					t.Errorf("%q is missing in:\n%s", want, page)
				}
			}
			if strings.Contains(page, "<svg") {
				t.Error("a chart of nothing")
			}
		})
	}
}

func TestReportIsWellMade(t *testing.T) { wellMade(t, reported(t)) }

// wellMade checks what a screen reader needs, that each element ends, and that the page loads
// nothing.
func wellMade(t *testing.T, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Entity = xml.HTMLEntity
	seen := map[string]int{}
	var in []string
	headerCells := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			seen[name]++
			in = append(in, name)
			attributes := map[string]string{}
			for _, a := range e.Attr {
				attributes[a.Name.Local] = a.Value
				if slices.Contains([]string{"src", "href", "action", "onload", "onclick"}, a.Name.Local) {
					t.Errorf("<%s> has %s", name, a.Name.Local)
				}
			}
			switch {
			case name == "script" || name == "link" || name == "img" || name == "iframe":
				t.Errorf("the page has <%s>", name)
			case name == "th" && attributes["scope"] == "":
				t.Error("a header cell without scope")
			case name == "svg" && (attributes["role"] != "img" || attributes["aria-labelledby"] == ""):
				t.Error("the chart has no name")
			case name == "html" && attributes["lang"] != "en":
				t.Error("the page has no language")
			}
			if name == "th" {
				headerCells++
			}
		case xml.EndElement:
			in = in[:len(in)-1]
		}
	}
	if seen["h1"] != 1 || seen["main"] != 1 || seen["table"] != seen["caption"] || seen["table"] == 0 || headerCells == 0 || len(in) > 0 {
		t.Errorf("elements: %v; open at the end: %v", seen, in)
	}
}

// TestTimeline: what a step did and when; a wait that goes on is one wait.
func TestTimeline(t *testing.T) {
	want := map[string]string{
		"bucket":         "created at 0.0s in 0.9s, waited 0.0s, 0 retries: act act act",
		"task role":      "failed: change policy flows: AccessDenied: not allowed at 0.0s in 17s, waited 0.0s, 0 retries: act",
		"agent instance": "replaced at 0.4s in 1m35s, waited 1m34s, 0 retries: act act wait wait",
		"old group":      "deleted at 1.0s in 1m09s, waited 1m09s, 4 retries: act retry retry retry retry",
		"profile 桶":      "skipped, because of task role at 17s in 0.0s, waited 0.0s, 0 retries: ",
	}
	bars := timeline(story())
	if len(bars) != len(want) {
		t.Errorf("%d bars", len(bars))
	}
	for _, b := range bars {
		var kinds []string
		for _, p := range b.parts {
			kinds = append(kinds, p.kind)
		}
		have := fmt.Sprintf("%s at %s in %s, waited %s, %s: %s", b.result(Options{}), seconds(b.began.Sub(start)),
			seconds(b.ended.Sub(b.began)), seconds(b.waited()), plural(b.retries(), "retry", "retries"), strings.Join(kinds, " "))
		if have != want[b.step] {
			t.Errorf("%s: %s\nwant: %s", b.step, have, want[b.step])
		}
	}
}

// TestTick: the axis has a readable number of marks, from a run that does nothing to one of a day.
func TestTick(t *testing.T) {
	for d := time.Millisecond; d < 24*time.Hour; d = d*11/10 + 1 {
		every := tick(d)
		if n := d / every; n > chartTicks || n < 1 && d > time.Millisecond {
			t.Errorf("%s: a mark every %s", d, every)
		}
	}
	for _, c := range []struct {
		at, every time.Duration
		want      string
	}{{0, time.Second, "0s"}, {1500 * time.Millisecond, 500 * time.Millisecond, "1.5s"}, {40 * time.Second, 20 * time.Second, "40s"}, {150 * time.Second, 50 * time.Second, "2m30s"}} {
		if have := tickLabel(c.at, c.every); have != c.want {
			t.Errorf("%s: %s, want %s", c.at, have, c.want)
		}
	}
}

// TestReportInBrowser opens the report in Chromium, and looks at the picture: the bars are
// there in their colors, and the page is light or dark as the reader has it.
func TestReportInBrowser(t *testing.T) {
	able.Slow(t)
	browser, err := exec.LookPath("chromium")
	if err != nil {
		able.Without(t, "there is no chromium")
	}
	for name, c := range map[string]struct {
		scheme string // as Chromium numbers them
		dark   bool
		colors map[string]color.RGBA
	}{
		"light": {"1", false, map[string]color.RGBA{"act": {0x2b, 0x6c, 0xb0, 255}, "wait": {0xc9, 0xb4, 0x58, 255}, "retry": {0xc0, 0x56, 0x21, 255}, "failed": {0xc5, 0x30, 0x30, 255}}},
		"dark":  {"0", true, map[string]color.RGBA{"act": {0x63, 0xb3, 0xed, 255}, "wait": {0xd6, 0xbc, 0x4a, 255}, "retry": {0xed, 0x89, 0x36, 255}, "failed": {0xfc, 0x81, 0x81, 255}}},
	} {
		t.Run(name, func(t *testing.T) {
			picture := screenshot(t, browser, reported(t), "--blink-settings=preferredColorScheme="+c.scheme)
			have := map[color.RGBA]int{}
			for y := range picture.Bounds().Dy() {
				for x := range picture.Bounds().Dx() {
					r, g, b, _ := picture.At(x, y).RGBA()
					have[color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 255}]++
				}
			}
			for part, rgb := range c.colors {
				if have[rgb] < 20 {
					t.Errorf("%s: %d pixels", part, have[rgb])
				}
			}
			r, _, _, _ := picture.At(2, 2).RGBA()
			if dark := r < 0x8000; dark != c.dark {
				t.Errorf("the page is dark: %t", dark)
			}
		})
	}
}

// screenshot is what a browser shows of a page. It runs without a network.
func screenshot(t *testing.T, browser, page string, flags ...string) image.Image {
	t.Helper()
	dir := t.TempDir()
	file, shot := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.png")
	if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
		"--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + filepath.Join(dir, "profile"), "--window-size=1100,1400", "--screenshot=" + shot}, flags...)
	out, err := exec.CommandContext(t.Context(), browser, append(args, "file://"+file)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.Open(shot)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	defer func() { _ = f.Close() }()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}
