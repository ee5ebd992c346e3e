package main

import (
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents returns the pages for people, except the decision records, which may describe
// the past.
func documents(t *testing.T) []string {
	pages, err := filepath.Glob("../../*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	if pages = append(pages, more...); len(pages) < 7 {
		t.Fatalf("only %d pages", len(pages))
	}
	return pages
}

func readPage(t *testing.T, page string) string {
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]*)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// slug is the anchor that a heading gets.
func slug(title string) string {
	return strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
}

func TestLinksLeadSomewhere(t *testing.T) {
	pages := documents(t)
	records, err := filepath.Glob("../../docs/decisions/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, records...) {
		for _, m := range link.FindAllStringSubmatch(readPage(t, page), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := page
			if target != "" {
				to = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s leads nowhere", page, m[1])
				continue
			}
			if anchor == "" {
				continue
			}
			found := slices.ContainsFunc(heading.FindAllStringSubmatch(readPage(t, to), -1),
				func(h []string) bool { return slug(h[1]) == anchor })
			if !found {
				t.Errorf("%s: %s leads to no heading", page, m[1])
			}
		}
	}
}

// TestDecisionsAreListed: the index of the decisions has all of them, and their titles.
func TestDecisionsAreListed(t *testing.T) {
	records, err := filepath.Glob("../../docs/decisions/0*.md")
	if err != nil || len(records) == 0 {
		t.Fatalf("%d records: %v", len(records), err)
	}
	index := readPage(t, "../../docs/decisions/README.md")
	for _, record := range records {
		number, title, _ := strings.Cut(strings.TrimPrefix(heading.FindString(readPage(t, record)), "# "), ". ")
		if row := number + ". [" + title + "](" + filepath.Base(record) + ")\n"; !strings.Contains(index, row) {
			t.Errorf("docs/decisions/README.md has no line %s", row)
		}
	}
}

// TestChecksAreDocumented: docs/json.md lists the names of doctor's checks, and no others.
func TestChecksAreDocumented(t *testing.T) {
	named := regexp.MustCompile(`(?:const check(?:, \w+)? = |Check: )"([^"]+)"`)
	checks := map[string]bool{}
	for _, pattern := range []string{"*.go", "../../provision/doctor/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, m := range named.FindAllStringSubmatch(readPage(t, file), -1) {
				checks[m[1]] = true
			}
		}
	}
	_, table, _ := strings.Cut(readPage(t, "../../docs/json.md"), "\nThe names of the checks:\n")
	table, _, _ = strings.Cut(table, "\n## ")
	listed := map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, name := range inline.FindAllString(cells[1], -1) {
			listed[strings.Trim(name, "`")] = true
		}
	}
	for name := range checks {
		if !listed[name] {
			t.Errorf("docs/json.md does not list the check %q", name)
		}
	}
	for name := range listed {
		if !checks[name] {
			t.Errorf("docs/json.md lists the check %q, which doctor does not have", name)
		}
	}
	if len(checks) < 20 {
		t.Errorf("only %d checks were found", len(checks))
	}
}

var (
	fenced   = regexp.MustCompile("(?ms)^```.*?^```")
	indented = regexp.MustCompile(`(?m)^ {4}.*$`)
	inline   = regexp.MustCompile("`[^`\n]+`")
	// commandLine is a command line in a text of code: what follows the program's name,
	// up to what is no argument.
	commandLine = regexp.MustCompile("(?m)(?:^|[\\s`($])flowbed((?: +[A-Za-z0-9_./=:-]+)*)(?:$|[\\s`)])")
)

// TestShownCommandsExist keeps the documents from telling of commands and flags
// that are not there.
func TestShownCommandsExist(t *testing.T) {
	for _, page := range documents(t) {
		text := readPage(t, page)
		code := slices.DeleteFunc(fenced.FindAllString(text, -1), func(c string) bool {
			return strings.HasPrefix(c, "```hcl") || strings.HasPrefix(c, "```json") || strings.HasPrefix(c, "```text") // what they quote is prose
		})
		text = fenced.ReplaceAllString(text, "")
		code = append(code, indented.FindAllString(text, -1)...)
		code = append(code, inline.FindAllString(indented.ReplaceAllString(text, ""), -1)...)
		n := 0
		for _, c := range code {
			for _, m := range commandLine.FindAllStringSubmatch(c, -1) {
				n++
				if err := parses(strings.Fields(m[1])); err != nil {
					t.Errorf("%s: flowbed%s: %v", page, m[1], err)
				}
			}
		}
		least := map[string]int{"../../README.md": 5, "../../docs/guide.md": 20}
		if n < least[page] {
			t.Errorf("%s: only %d commands were found", page, n)
		}
	}
}

// parses reports what is wrong with a command line, without carrying it out.
func parses(args []string) error {
	root := newApp(os.Stdin, os.Stdout, os.Stderr).command()
	root.InitDefaultHelpCmd()
	c, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	if c.Name() == "help" {
		return parses(rest)
	}
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	return c.ValidateArgs(c.Flags().Args())
}

func TestParsesRefuses(t *testing.T) {
	for _, line := range []string{"plans", "plan --jsn", "plan now", "help nonsense", "completion nonsense", "up --timeout soon"} {
		if parses(strings.Fields(line)) == nil {
			t.Errorf("%s: taken for a command", line)
		}
	}
	for _, line := range []string{"", "plan -e dev", "help exit-codes", "completion bash", "up --timeout 20m -y", "up --help", "--version"} {
		if err := parses(strings.Fields(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestReadmeHasTheMeasuredNumbers: the table that compares tools has the numbers of the page that
// `make peers` writes.
func TestReadmeHasTheMeasuredNumbers(t *testing.T) {
	readme := readPage(t, "../../README.md")
	row := regexp.MustCompile(`(?m)^\| (\w+) \| (build|plan, unchanged|remove) \|[^|]*\|[^|]*\| ([\d.]+ s) \| (\d+) \|`)
	rows := row.FindAllStringSubmatch(readPage(t, "../../docs/benchmarks.md"), -1)
	if len(rows) < 8 {
		t.Fatalf("docs/benchmarks.md has %d rows about tools", len(rows))
	}
	for _, r := range rows {
		shown := regexp.MustCompile(`(?m)^\| ` + r[2] + ` \|.*$`).FindString(readme)
		if want := " " + r[4] + " calls, " + r[3] + " "; !strings.Contains(shown, want) {
			t.Errorf("README.md: %s: %s took %s calls and %s of CPU in docs/benchmarks.md, and not %s", r[1], r[2], r[4], r[3], shown)
		}
	}
}

// TestReadmeShowsTheDemo runs the demo: every line that README.md shows for a command
// must be in that command's output.
func TestReadmeShowsTheDemo(t *testing.T) {
	program, err := exec.LookPath("flowbed") // the test's own binary; see TestMain
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "../../docs/demo/run", program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	have := sessions(string(out))
	_, text, _ := strings.Cut(readPage(t, "../../README.md"), "```\n$ flowbed up -y\n")
	text, _, _ = strings.Cut(text, "\n```\n")
	want := sessions("$ flowbed up -y\n" + text)
	if len(want) != 6 || len(have) != len(want) {
		t.Fatalf("the demo has %d commands, README.md shows %d", len(have), len(want))
	}
	for i, lines := range want {
		if have[i][0] != lines[0] {
			t.Errorf("README.md shows %s, the demo runs %s", lines[0], have[i][0])
		}
		for _, l := range lines {
			if strings.Trim(l, " …") != "" && !slices.Contains(have[i], l) {
				t.Errorf("README.md shows a line that `%s` does not print: %s", lines[0], l)
			}
		}
	}
}

// TestPictureShowsTheDemo: what README.md's picture shows is what the program prints now.
// Lines are cut at the picture's width.
func TestPictureShowsTheDemo(t *testing.T) {
	program, err := exec.LookPath("flowbed")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "../../docs/demo/run", program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	var printed []string
	for _, lines := range sessions(string(out)) {
		printed = append(printed, lines...)
	}
	text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(readPage(t, "../../docs/demo/session.svg"), "")
	shown := map[string]int{}
	for _, l := range slices.Concat(sessions("$ \n" + html.UnescapeString(text))...) {
		kind := regexp.MustCompile(`^(\+ create|- delete|Plan:|Up:|Hello:|Down:|Next:)`).FindString(l)
		if kind == "" {
			continue
		}
		shown[kind]++
		if !slices.ContainsFunc(printed, func(p string) bool { return strings.HasPrefix(p, strings.TrimSpace(l)) }) {
			t.Errorf("the picture shows a line that the demo does not print (`make picture` records it anew): %s", l)
		}
	}
	if len(shown) != 7 {
		t.Errorf("the picture shows %v", shown)
	}
}

// sessions splits a transcript into commands. Each is a list of lines: the command and
// its output, without what differs from run to run.
func sessions(transcript string) (list [][]string) {
	for _, c := range changing {
		transcript = c.what.ReplaceAllString(transcript, c.with)
	}
	for line := range strings.Lines(transcript) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "$ ") {
			list = append(list, nil)
		}
		if n := len(list); n > 0 {
			list[n-1] = append(list[n-1], line)
		}
	}
	return list
}
