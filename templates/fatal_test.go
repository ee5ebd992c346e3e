package templates

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// logs are the ends of logs of setups, and the kind of failure for good that each is.
var logs = map[string]struct{ log, kind string }{
	"version": {"ERROR: Could not find a version that satisfies the requirement prefect[aws]==3.99.0 (from versions: 0.2.0, 0.2.1)\n" +
		"ERROR: No matching distribution found for prefect[aws]==3.99.0", "version"},
	"dependency": {"ERROR: Could not find a version that satisfies the requirement httpx>=9 (from prefect) (from versions: 0.1, 0.2)\n" +
		"ERROR: No matching distribution found for httpx>=9", "version"},
	"no release": {"ERROR: Could not find a version that satisfies the requirement s3fs==9999 (from versions: 0.0.1, 0.0.2)\n" +
		"ERROR: No matching distribution found for s3fs==9999", "packages"},
	"conflict": {"ERROR: Cannot install prefect==3.9.1 and pydantic==1.0 because these package versions have conflicting dependencies.\n\n" +
		"The conflict is caused by:\n    The user requested pydantic==1.0\n    prefect 3.9.1 depends on pydantic>=2.10\n\n" +
		"To fix this you could try to:\n1. loosen the range of package versions you've specified\n2. remove package versions to allow pip to attempt to solve the dependency conflict\n\n" +
		"ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/", "packages"},
	"mirror": {"WARNING: Retrying (Retry(total=0, connect=None)) after connection broken\n" +
		"ERROR: Could not find a version that satisfies the requirement prefect[aws]==3.9.1 (from versions: none)\n" +
		"ERROR: No matching distribution found for prefect[aws]==3.9.1", ""},
	"disk":     {"ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk"},
	"package":  {"Error: Unable to find a match: python3.12", "python"},
	"metadata": {"Error: Failed to download metadata for repo 'amazonlinux': Cannot download repomd.xml", ""},
	"index":    {"Looking in indexes: https://deploy:hunter2@pip.example.com/simple\nERROR: HTTP error 503", ""},
	"empty":    {"", ""},
}

// program writes a program that prints a text, and returns its folder.
func program(t *testing.T, dir, name, prints string) {
	t.Helper()
	script := "#!/bin/sh\ncat <<'END'\n" + prints + "\nEND\n"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

var fatalLine = regexp.MustCompile(`(?m)^FLOWBED: FATAL: (\w+): no retry will help \(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\)$`)

// kindIn is the kind in the mark of a failure for good; empty if there is no mark.
func kindIn(text string) string {
	if m := fatalLine.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// TestSetupFailsForGood runs the part of the script that ends a setup, with each log.
func TestSetupFailsForGood(t *testing.T) {
	head, _, ok := strings.Cut(agents(t)["worker-cloud"], "begin 'swap'\n")
	if !ok {
		t.Fatal("the script does not begin with swap")
	}
	for name, c := range logs {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			program(t, dir, "systemd-run", "")
			program(t, dir, "df", "Avail\n5000000")
			log, console := filepath.Join(dir, "log"), filepath.Join(dir, "console")
			script := strings.NewReplacer("/var/log/flowbed-setup.log", log, "/dev/console", console).Replace(head)
			script += "begin prefect\ncat >>\"$log\" <<'END'\n" + c.log + "\nEND\nfail 'python failed 5 times'\n"
			cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err == nil {
				t.Fatalf("the setup does not fail:\n%s", out)
			}
			for _, file := range []string{log, console} {
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				said := string(raw)
				if have := kindIn(said); have != c.kind {
					t.Errorf("%s: have %q, want %q:\n%s", filepath.Base(file), have, c.kind, said)
				}
				if !strings.Contains(said, "FLOWBED: FAILED: prefect: python failed 5 times\n") || !strings.HasSuffix(said, "FLOWBED: again in 2 minutes\n") {
					t.Errorf("%s: have\n%s", filepath.Base(file), said)
				}
				if file == console && strings.Contains(said, "hunter2") {
					t.Errorf("the console has the password:\n%s", said)
				}
			}
		})
	}
}

// TestSetupWithFullDisk finds a full disk even if no program has said so.
func TestSetupWithFullDisk(t *testing.T) {
	head, _, _ := strings.Cut(agents(t)["worker-cloud"], "begin 'swap'\n")
	dir := t.TempDir()
	program(t, dir, "systemd-run", "")
	program(t, dir, "df", "Avail\n512")
	console := filepath.Join(dir, "console")
	script := strings.NewReplacer("/var/log/flowbed-setup.log", filepath.Join(dir, "log"), "/dev/console", console).Replace(head) + "false\n"
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	_ = cmd.Run() // it fails
	raw, err := os.ReadFile(console)
	if err != nil || kindIn(string(raw)) != "disk" {
		t.Errorf("have %v:\n%s", err, raw)
	}
}

// TestAgentFailsForGood runs what systemd runs after an agent has ended.
func TestAgentFailsForGood(t *testing.T) {
	const refused = "prefect.exceptions.PrefectHTTPStatusError: Client error '401 Unauthorized' for url 'https://api.example.com'"
	for name, c := range map[string]struct {
		result, journal, restarts, kind string
		silent                          bool
	}{
		"refused":     {"exit-code", refused, "2", "key", false},
		"only once":   {"exit-code", refused, "0", "", false},
		"forbidden":   {"exit-code", "Client error '403 Forbidden' for url", "7", "key", false},
		"Prefect 1":   {"exit-code", "prefect.exceptions.AuthorizationError: unauthenticated", "3", "key", false},
		"unreachable": {"exit-code", "httpx.ConnectError: All connection attempts failed", "9", "", false},
		"memory":      {"oom-kill", "Killed", "9", "", false},
		"disk":        {"exit-code", "OSError: [Errno 28] No space left on device", "4", "disk", false},
		"stopped":     {"success", refused, "5", "", true},
		"said before": {"exit-code", "FLOWBED: FATAL: key: no retry will help (2026-01-01T00:00:00Z)\nConnectError", "9", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			program(t, dir, "journalctl", c.journal)
			program(t, dir, "systemctl", c.restarts)
			raw, err := os.ReadFile(written(t, agents(t)["worker-cloud"]) + "/opt/flowbed/bin/report")
			if err != nil {
				t.Fatal(err)
			}
			console := filepath.Join(dir, "console")
			cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(string(raw), "/dev/console", console))
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "SERVICE_RESULT="+c.result, "EXIT_STATUS=1")
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			said, _ := os.ReadFile(console) // it does not exist if nothing was said
			if kindIn(string(said)) != c.kind || kindIn(string(out)) != c.kind || (len(said) == 0) != c.silent {
				t.Errorf("want %q; the console:\n%s\nthe journal:\n%s", c.kind, said, out)
			}
		})
	}
}
