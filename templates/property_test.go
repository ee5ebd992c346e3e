package templates

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// odd generates strings from characters that are special in a shell, systemd,
// Python or YAML.
type odd struct{ *rand.Rand }

// oddPieces has no "/etc" and no "/opt": the test moves those paths to a temporary
// directory.
var oddPieces = []string{
	"a", "Z", "9", " ", "  ", "'", `"`, "`", "`id`", "$", "$HOME", "${HOME}", "$(id)", "$$", `\`, `\\`, `\n`, "%", "%n", "%%",
	";", "&", "&&", "|", "<", ">", "<<EOF", "(", ")", "{", "}", "{{env}}", "[", "]", "*", "?", "~", "!", "!!", "#", "=", "-", "--", ":", ",", "@", "^",
	"é", "日本", "😀", "\u00a0", "\u2028", "FLOWBED_END", "EOF", ".", "/",
}

// word returns a string without control characters.
func (o odd) word() string { return o.text(oddPieces) }

// lines returns a string that may have several lines, and no other control characters.
func (o odd) lines() string {
	return o.text(append([]string{"\n", "\t", "\\\n", "\nFLOWBED_END\n"}, oddPieces...))
}

// content returns a string that may have several lines.
func (o odd) content() string {
	return o.text(append([]string{"\n", "\n\n", "\t", "\r\n", "\v", "\x1b[0m", "\x01", "\x7f", "\xff", "\nFLOWBED_END ", "\nFLOWBED_END\n"}, oddPieces...))
}

func (o odd) text(pieces []string) string {
	var b strings.Builder
	for range o.IntN(8) {
		b.WriteString(pieces[o.IntN(len(pieces))])
	}
	return b.String()
}

// agent returns a random Agent. Its files are in dir.
func (o odd) agent(dir string) Agent {
	a := Agent{Env: o.word(), Python: []string{"3.9", "3.12"}[o.IntN(2)]}
	for range 1 + o.IntN(3) {
		a.Packages.Requirements = append(a.Packages.Requirements, o.word())
	}
	if o.IntN(2) == 0 {
		a.Packages.Index = "https://" + o.word()
	}
	switch o.IntN(3) {
	case 0:
		a.Packages.Before = o.word()
	case 1:
		a.Packages.Constraints = "a==1\n" + o.content() + "#"
	}
	for i := range o.IntN(6) {
		a.Command = append(a.Command, Word{WordKind(i % 3), o.word()})
		a.Settings = append(a.Settings, Setting{fmt.Sprintf("S%d", i), o.word()})
	}
	for i := range o.IntN(3) {
		a.Extra = append(a.Extra, Setting{fmt.Sprintf("S%d", 6+i), o.lines()})
	}
	for i := range o.IntN(4) {
		name := strings.ReplaceAll(o.word(), "/", "_")
		a.Files = append(a.Files, File{fmt.Sprintf("%s/%d%s", dir, i, name), []fs.FileMode{0o600, 0o644, 0o755}[i%3], o.content()})
	}
	if o.IntN(2) == 0 {
		a.Secret = &Secret{Parameter: "/" + o.word(), Variable: "SECRET"}
	}
	if o.IntN(2) == 0 {
		a.CA = &CA{PEM: ca + o.content(), Variable: "CA", WithPublic: o.IntN(2) == 0}
	}
	if o.IntN(2) == 0 {
		a.Proxy = &Proxy{URL: o.word(), Except: []string{o.word()}}
	}
	if o.IntN(2) == 0 {
		a.TTL = time.Duration(1+o.IntN(1000)) * time.Second
	}
	return a
}

// FuzzUserData checks that the script is valid shell, and writes and installs
// exactly what the Agent describes, whatever characters the Agent contains.
func FuzzUserData(f *testing.F) {
	for seed := range uint64(24) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		t.Parallel()
		dir := t.TempDir()
		a := odd{rand.New(rand.NewPCG(seed, 0))}.agent(dir)
		s, err := UserData(a)
		if refused := hasEnd(a); refused != (err != nil) {
			t.Fatalf("got error %v, want an error: %v\n%#v", err, refused, a)
		}
		if err != nil {
			return
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-n")
		cmd.Stdin = strings.NewReader(s)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("bash: %v %s\n%s", err, out, s)
		}
		root, installed := run(t, s)
		checkInstalled(t, a, root, installed)
		checkFiles(t, a, root, dir)
		checkSettings(t, a, root)
		checkUnit(t, a, root)
		if t.Failed() {
			t.Logf("%#v", a)
		}
	})
}

// hasEnd reports whether a file contains the line that ends its heredoc.
func hasEnd(a Agent) bool {
	contents := []string{a.Packages.Constraints}
	for _, f := range a.Files {
		contents = append(contents, f.Content)
	}
	if a.CA != nil {
		contents = append(contents, a.CA.PEM)
	}
	contents = append(contents, envFile(a))
	return slices.ContainsFunc(contents, func(c string) bool { return slices.Contains(strings.Split(c, "\n"), "FLOWBED_END") })
}

// run runs the parts of a script that install packages and write files, inside a
// temporary directory. It returns the directory and the arguments of each pip
// call.
func run(t *testing.T, s string) (root string, installed [][]string) {
	t.Helper()
	name := between(t, s, "\ninstance=", "\nbegin 'python'\n")
	_, name, _ = strings.Cut(name, "\n")
	install := between(t, s, "/opt/flowbed/venv\n", "\nbegin 'files'\n")
	files := between(t, s, "\nbegin 'files'\n", "\nbegin 'start'\n")
	root = t.TempDir()
	for _, dir := range []string{"/etc/flowbed", "/opt/flowbed/bin", "/opt/flowbed/venv/bin", "/etc/systemd/system"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Every pip call with a release date fails.
	python := `#!/bin/bash
if [ "$2" = certifi ]; then echo /dev/null; exit; fi
printf '%s\n' "$@" >>` + root + `/pip
printf '%s\0' "${PIP_INDEX_URL-}" >>` + root + `/index
printf '\0' >>` + root + `/pip
[[ " $* " != *" --uploaded-prior-to "* ]]
`
	if err := os.WriteFile(root+"/opt/flowbed/venv/bin/python", []byte(python), 0o755); err != nil {
		t.Fatal(err)
	}
	paths := strings.NewReplacer("/etc/flowbed/", root+"/etc/flowbed/", "/etc/systemd/", root+"/etc/systemd/", "/opt/flowbed/", root+"/opt/flowbed/")
	start := "umask 022; log=/dev/null instance=i-0; try() { \"$@\"; }; say() { :; }; sleep() { :; }\n"
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", start+name+paths.Replace("\n"+install+"\n"+files))
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("run the script: %v\n%s\n%s", err, out, s)
	}
	if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
		t.Errorf("the script left %v (%v) in its working directory, want nothing", left, err)
	}
	pip, err := os.ReadFile(root + "/pip")
	if err != nil {
		t.Fatal(err)
	}
	for call := range strings.SplitSeq(strings.TrimSuffix(string(pip), "\n\x00"), "\n\x00") {
		installed = append(installed, strings.Split(call, "\n"))
	}
	return root, installed
}

func between(t *testing.T, s, from, to string) string {
	t.Helper()
	_, s, ok := strings.Cut(s, from)
	i := strings.LastIndex(s, to)
	if !ok || i < 0 {
		t.Fatalf("got no text between %q and %q", from, to)
	}
	return s[:i]
}

func checkInstalled(t *testing.T, a Agent, root string, calls [][]string) {
	t.Helper()
	want := [][]string{a.Packages.Requirements}
	if a.Packages.Before != "" {
		dated := append([]string{"--uploaded-prior-to", a.Packages.Before}, a.Packages.Requirements...)
		want = [][]string{{"--upgrade", "pip==" + pipVersion}, dated, dated, a.Packages.Requirements}
	}
	if raw, err := os.ReadFile(root + "/index"); err != nil || string(raw) != strings.Repeat(a.Packages.Index+"\x00", len(calls)) {
		t.Errorf("pip was called with the indexes %q (%v), want %q for each call", raw, err, a.Packages.Index)
	}
	if len(calls) != len(want) {
		t.Fatalf("pip was called with %q, want %q", calls, want)
	}
	for i, w := range want {
		if got := calls[i]; len(got) < len(w) || !slices.Equal(got[len(got)-len(w):], w) {
			t.Errorf("pip was called with %q, want %q at the end", got, w)
		}
	}
	if a.Packages.Constraints != "" {
		checkFile(t, root+constraintsFile, a.Packages.Constraints, 0o644)
	}
}

// checkFiles also looks for files that the Agent does not describe.
func checkFiles(t *testing.T, a Agent, root, dir string) {
	t.Helper()
	want := []string{"/etc/flowbed/agent.env", "/opt/flowbed/bin/report", "/etc/systemd/system/flowbed-agent.service"}
	for _, f := range a.Files {
		checkFile(t, f.Path, f.Content, f.Mode)
	}
	if a.Packages.Constraints != "" {
		want = append(want, constraintsFile)
	}
	if a.CA != nil {
		want = append(want, caFile)
		checkFile(t, root+caFile, a.CA.PEM, 0o644)
		if a.CA.WithPublic {
			want = append(want, bundleFile)
			checkFile(t, root+bundleFile, a.CA.PEM, 0o644)
		}
	}
	if a.Secret != nil {
		want = append(want, "/opt/flowbed/bin/fetch-secret")
		fetch, err := os.ReadFile(root + "/opt/flowbed/bin/fetch-secret")
		if err != nil {
			t.Fatal(err)
		}
		literal := between(t, string(fetch), "PARAMETER, VARIABLE = ", `, "SECRET"`+"\n")
		if got, err := strconv.Unquote(literal); err != nil || got != a.Secret.Parameter {
			t.Errorf("got parameter %s (%v), want %q", literal, err, a.Secret.Parameter)
		}
	}
	if got, err := os.ReadDir(dir); err != nil || len(got) != len(a.Files) {
		t.Errorf("got %d files (%v), want %d", len(got), err, len(a.Files))
	}
	var got []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if name := strings.TrimPrefix(path, root); err == nil && !d.IsDir() && name != "/pip" && name != "/index" && name != "/opt/flowbed/venv/bin/python" {
			got = append(got, name)
		}
		return err
	})
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got files %q (%v), want %q", got, err, want)
	}
}

func checkFile(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimRight(content, "\n") + "\n"; string(raw) != want {
		t.Errorf("%s: got %q, want %q", path, raw, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != mode {
		t.Errorf("%s: got mode %v (%v), want %v", path, info.Mode(), err, mode)
	}
}

// checkSettings reads the environment file with a shell, which removes quotes the
// same way systemd does.
func checkSettings(t *testing.T, a Agent, root string) {
	t.Helper()
	raw, err := os.ReadFile(root + "/etc/flowbed/agent.env")
	if err != nil {
		t.Fatal(err)
	}
	lines, name, _ := strings.Cut(string(raw), "FLOWBED_NAME=")
	if want := a.Env + "-i-0\n"; name != want {
		t.Errorf("got name %q, want %q", name, want)
	}
	settings := a.Settings
	if a.CA != nil {
		file := caFile
		if a.CA.WithPublic {
			file = bundleFile
		}
		settings = append(slices.Clone(settings), Setting{"CA", root + file})
	}
	want := ""
	for _, s := range append(slices.Clone(a.Settings), append(slices.Clone(a.Extra), settings[len(a.Settings):]...)...) {
		want += s.Name + "=" + s.Value + "\x00"
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", lines+`for n in ${!S@} ${CA:+CA}; do case $n in S[0-9]|CA) printf '%s=%s\0' "$n" "${!n}";; esac; done`)
	cmd.Env = []string{}
	if got, err := cmd.CombinedOutput(); err != nil || string(got) != want {
		t.Errorf("got settings %q (%v), want %q", got, err, want)
	}
}

// checkUnit reads the command line in the unit as systemd does.
func checkUnit(t *testing.T, a Agent, root string) {
	t.Helper()
	raw, err := os.ReadFile(root + "/etc/systemd/system/flowbed-agent.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := string(raw)
	description := between(t, unit, "environment ", "\nWants=")
	if got := strings.ReplaceAll(description, "%%", "%"); got != a.Env {
		t.Errorf("the unit describes environment %q, want %q", got, a.Env)
	}
	line := between(t, unit, "/venv/bin/prefect ", "\nExecStopPost=")
	var want []string
	for _, w := range a.Command {
		if w.Kind == AgentName {
			w.Text = "a name"
		}
		want = append(want, w.Text)
	}
	if got := systemdWords(line, map[string]string{"FLOWBED_NAME": "a name"}); !slices.Equal(got, want) {
		t.Errorf("systemd sees %q, want %q", got, want)
	}
}

// systemdWords splits a command line at spaces, and resolves quotes, specifiers
// and variables. https://www.freedesktop.org/software/systemd/man/systemd.service.html
func systemdWords(line string, variables map[string]string) (words []string) {
	word, inWord, quote := "", false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\': // a C escape; the script uses no other kind
			i++
			word += line[i : i+1]
			inWord = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, inWord = c, true
		case quote == 0 && c == ' ':
			if inWord {
				words = append(words, word)
			}
			word, inWord = "", false
		case (c == '%' || c == '$') && i+1 < len(line) && line[i+1] == c:
			i++
			word += string(c)
		case c == '%':
			word += "<specifier>"
		case c == '$':
			name, _, _ := strings.Cut(strings.TrimPrefix(line[i+1:], "{"), "}")
			word, inWord = word+variables[name], true
			i += len(name) + 2
		default:
			word += string([]byte{c})
			inWord = true
		}
	}
	if inWord {
		words = append(words, word)
	}
	return words
}
