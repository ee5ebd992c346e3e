package release_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/flowbed/flowbed/test/e2e/able"
)

func TestMain(m *testing.M) { able.Main(m) }

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decode(t *testing.T, name string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// config is what the tests look at in .goreleaser.yaml.
type config struct {
	Builds []struct {
		Env, Goos, Goarch, Ldflags []string
	}
	Archives []struct {
		NameTemplate string `yaml:"name_template"`
		Files        []struct{ Src string }
	}
	Nfpms []struct {
		Formats  []string
		Contents []struct{ Src string }
	}
	Sboms, Signs []struct{ Artifacts string }
	Dockers      []struct {
		Dockerfile string
		Platforms  []string
	} `yaml:"dockers_v2"`
	Casks []struct {
		Binaries, Manpages []string
		Completions        map[string]string
	} `yaml:"homebrew_casks"`
}

func goreleaser(t *testing.T) config {
	t.Helper()
	var c config
	decode(t, ".goreleaser.yaml", &c)
	if len(c.Builds) != 1 || len(c.Archives) != 1 || len(c.Nfpms) != 1 || len(c.Dockers) != 1 || len(c.Casks) != 1 || len(c.Sboms) != 1 || len(c.Signs) != 1 {
		t.Fatalf("some part is missing, or there are two: %+v", c)
	}
	return c
}

// TestPlatforms: a release is for the platforms for which `make lint` builds.
func TestPlatforms(t *testing.T) {
	c := goreleaser(t)
	var have []string
	for _, goos := range c.Builds[0].Goos {
		for _, arch := range c.Builds[0].Goarch {
			have = append(have, goos+"/"+arch)
		}
	}
	m := regexp.MustCompile(`(?m)^PLATFORMS = (.*)$`).FindStringSubmatch(read(t, "Makefile"))
	if m == nil {
		t.Fatal("the Makefile has no PLATFORMS")
	}
	want := strings.Fields(m[1])
	slices.Sort(have)
	slices.Sort(want)
	if d := cmp.Diff(want, have); d != "" || len(want) != 6 {
		t.Errorf("platforms (-Makefile +.goreleaser.yaml):\n%s", d)
	}
	if !slices.Equal(c.Builds[0].Env, []string{"CGO_ENABLED=0"}) {
		t.Errorf("the program would need a C library: %v", c.Builds[0].Env)
	}
	for _, p := range c.Dockers[0].Platforms {
		if !slices.Contains(want, p) {
			t.Errorf("an image for %s, for which there is no program", p)
		}
	}
}

// TestLinkedVariables: the linker sets variables that exist. It says nothing of others.
func TestLinkedVariables(t *testing.T) {
	code := read(t, "cmd/flowbed/version.go")
	linked := regexp.MustCompile(`-X main\.(\w+)=`)
	for _, file := range []string{".goreleaser.yaml", "Makefile"} {
		all := linked.FindAllStringSubmatch(read(t, file), -1)
		if len(all) == 0 {
			t.Errorf("%s sets no version", file)
		}
		for _, m := range all {
			if !regexp.MustCompile(`(?m)^\t` + m[1] + ` +string`).MatchString(code) {
				t.Errorf("%s sets main.%s, which does not exist", file, m[1])
			}
		}
	}
	if ld := strings.Join(goreleaser(t).Builds[0].Ldflags, " "); len(linked.FindAllString(ld, -1)) != 3 {
		t.Errorf("a release sets not all of version, commit and date: %s", ld)
	}
}

// TestContents: what packages contain is in the repository, or made by `flowbed manual`.
func TestContents(t *testing.T) {
	c := goreleaser(t)
	var sources []string
	for _, f := range c.Archives[0].Files {
		sources = append(sources, f.Src)
	}
	for _, f := range c.Nfpms[0].Contents {
		sources = append(sources, f.Src)
	}
	made := 0
	for _, s := range sources {
		if strings.HasPrefix(s, ".release/man/") || strings.HasPrefix(s, ".release/completions/") {
			made++
			continue
		}
		if _, err := os.Stat(filepath.Join(root, s)); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	if made < 6 {
		t.Errorf("only %d sources are man pages or completions: %v", made, sources)
	}
	manual := read(t, "cmd/flowbed/manual.go")
	cask := c.Casks[0]
	for _, file := range append(slices.Collect(valuesOf(cask.Completions)), cask.Manpages...) {
		if base := filepath.Base(file); !strings.Contains(manual, `"`+base+`"`) && base != "flowbed.1" {
			t.Errorf("the cask has %s, which nothing makes", file)
		}
	}
	if !slices.Equal(c.Nfpms[0].Formats, []string{"deb", "rpm"}) {
		t.Errorf("packages: %v", c.Nfpms[0].Formats)
	}
	if c.Signs[0].Artifacts != "checksum" || c.Sboms[0].Artifacts != "archive" {
		t.Errorf("signatures of %q, SBOMs of %q", c.Signs[0].Artifacts, c.Sboms[0].Artifacts)
	}
}

func valuesOf(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// TestActionFindsArchives: the action looks for archives by the names that they get.
func TestActionFindsArchives(t *testing.T) {
	if have, want := goreleaser(t).Archives[0].NameTemplate, "flowbed_{{ .Version }}_{{ .Os }}_{{ .Arch }}"; have != want {
		t.Errorf("archives are called %q, and the action looks for %q", have, want)
	}
	if !strings.Contains(read(t, ".goreleaser.yaml"), "name_template: checksums.txt\n") {
		t.Error("the action looks for checksums.txt")
	}
}

// TestDockerfile: the image runs as a user without rights, and contains what goreleaser gives.
func TestDockerfile(t *testing.T) {
	var users []string
	for line := range strings.Lines(read(t, goreleaser(t).Dockers[0].Dockerfile)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#":
		case words[0] == "USER":
			users = append(users, words[1])
		case words[0] == "COPY" && words[1] != "${TARGETPLATFORM}/flowbed":
			t.Errorf("goreleaser gives only the program: %s", line)
		case words[0] == "RUN" || words[0] == "ADD":
			t.Errorf("the base has no shell, and nothing is fetched: %s", line)
		}
	}
	if !slices.Equal(users, []string{"65532:65532"}) { // a number: Kubernetes cannot tell that a name is not root
		t.Errorf("users: %q", users)
	}
}

// workflow is what the tests look at in a workflow, or in action.yml.
type workflow struct {
	Permissions map[string]string
	Inputs      map[string]struct{ Default *string }
	Outputs     map[string]struct{ Value string }
	Runs        struct{ Steps []step }
	Jobs        map[string]struct{ Steps []step }
}

type step struct {
	Run string
	Env map[string]string
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yml"))
	if err != nil || len(paths) < 3 {
		t.Fatalf("%d workflows, %v", len(paths), err)
	}
	all := map[string]workflow{}
	for _, p := range paths {
		var w workflow
		name := filepath.ToSlash(strings.TrimPrefix(p, filepath.FromSlash(root+"/")))
		decode(t, name, &w)
		all[name] = w
	}
	return all
}

// TestNoReleaseYet: the pages say that there is no release as long as CHANGELOG.md has none.
func TestNoReleaseYet(t *testing.T) {
	released := regexp.MustCompile(`(?m)^## v?\d`).MatchString(read(t, "CHANGELOG.md"))
	for _, page := range []string{"README.md", "docs/install.md"} {
		if said := strings.Contains(read(t, page), "\nNo release yet: "); said == released {
			t.Errorf("%s: says that there is no release yet: %v; CHANGELOG.md has one: %v", page, said, released)
		}
	}
}

// TestPins: actions of others are pinned to a commit, whose version is beside it, and each
// action is the same everywhere. A tag can be moved to other code.
func TestPins(t *testing.T) {
	uses := regexp.MustCompile(`(?m)uses: +(\S+)(.*)$`)
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	seen := map[string]string{}
	for name := range workflows(t) {
		for _, m := range uses.FindAllStringSubmatch(read(t, name), -1) {
			if strings.HasPrefix(m[1], "./") {
				continue
			}
			action, _, _ := strings.Cut(m[1], "@")
			if !pinned.MatchString(m[1]) || !regexp.MustCompile(`^ # v\d+\.\d+\.\d+$`).MatchString(m[2]) {
				t.Errorf("%s: %s%s is not pinned to a commit with its version", name, m[1], m[2])
			}
			if before, ok := seen[action]; ok && before != m[1]+m[2] {
				t.Errorf("%s: %s%s, and elsewhere %s", name, m[1], m[2], before)
			}
			seen[action] = m[1] + m[2]
		}
	}
	if len(seen) < 8 {
		t.Errorf("only %d actions: %v", len(seen), seen)
	}
}

// TestPermissions: a workflow may only read, unless one of its jobs says more.
func TestPermissions(t *testing.T) {
	for name, w := range workflows(t) {
		if d := cmp.Diff(map[string]string{"contents": "read"}, w.Permissions); d != "" {
			t.Errorf("%s: permissions:\n%s", name, d)
		}
	}
}

// TestNoInjection: no text of others gets into a script. It comes in the environment.
func TestNoInjection(t *testing.T) {
	all := workflows(t)
	var action workflow
	decode(t, "action.yml", &action)
	all["action.yml"] = action
	for name, w := range all {
		steps := slices.Clone(w.Runs.Steps)
		for _, j := range w.Jobs {
			steps = append(steps, j.Steps...)
		}
		if len(steps) == 0 {
			t.Errorf("%s has no steps", name)
		}
		for _, s := range steps {
			if strings.Contains(s.Run, "${{") {
				t.Errorf("%s: an expression in a script: %s", name, s.Run)
			}
		}
	}
}

// TestAction: each input reaches the script, and each output is set once: by the script or by the
// program.
func TestAction(t *testing.T) {
	var action workflow
	decode(t, "action.yml", &action)
	text, script, program := read(t, "action.yml"), read(t, ".github/action.sh"), read(t, "cmd/flowbed/github.go")
	for name, in := range action.Inputs {
		if in.Default == nil {
			t.Errorf("%s has no default", name)
		}
		if !strings.Contains(text, "${{ inputs."+name+" }}") {
			t.Errorf("the input %s is not used", name)
		}
	}
	for name, out := range action.Outputs {
		byScript, byProgram := strings.Contains(script, "output "+name+" "), strings.Contains(program, `set("`+name+`", `)
		if out.Value != "${{ steps.flowbed.outputs."+name+" }}" || byScript == byProgram {
			t.Errorf("the output %s: set by the script: %v, by the program: %v", name, byScript, byProgram)
		}
	}
	for name := range action.Runs.Steps[0].Env {
		if !strings.Contains(script, name) {
			t.Errorf("the script does not read %s", name)
		}
	}
	if len(action.Inputs) < 4 || len(action.Outputs) < 4 {
		t.Errorf("%d inputs, %d outputs", len(action.Inputs), len(action.Outputs))
	}
	if info, err := os.Stat(filepath.Join(root, ".github/action.sh")); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("the script cannot be run: %v", err)
	}
}

// TestScripts: ShellCheck finds nothing in the scripts of the repository.
func TestScripts(t *testing.T) {
	shellcheck := able.Tool(t, "shellcheck")
	for _, script := range []string{".github/action.sh", ".ci/run", "docs/demo/run", "test/peers/agent.sh"} {
		cmd := exec.CommandContext(t.Context(), shellcheck, script)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}

// TestDependabot: each module file and each file of pins is in a directory that Dependabot reads.
func TestDependabot(t *testing.T) {
	var have struct {
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directory   string
			Directories []string
		}
	}
	decode(t, ".github/dependabot.yml", &have)
	covered := map[string]bool{}
	for _, u := range have.Updates {
		for _, d := range append(u.Directories, u.Directory) {
			covered[u.Ecosystem+" "+d] = true
		}
	}
	found := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case relErr != nil:
			return relErr
		case d.IsDir() && (name != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		}
		ecosystem := ""
		switch {
		case d.Name() == "go.mod":
			ecosystem = "gomod"
		case strings.HasPrefix(d.Name(), "requirements") && strings.HasSuffix(d.Name(), ".txt"):
			ecosystem = "pip"
		case d.Name() == "Dockerfile":
			ecosystem = "docker"
		default:
			return nil
		}
		found++
		dir := "/" + strings.TrimPrefix(filepath.ToSlash(filepath.Dir(name)), ".")
		if !covered[ecosystem+" "+dir] {
			t.Errorf("%s: .github/dependabot.yml does not name %s for %s", name, dir, ecosystem)
		}
		return nil
	})
	if err != nil || found < 6 {
		t.Errorf("only %d files, %v", found, err)
	}
}
