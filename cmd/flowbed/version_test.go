package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/view"
)

func TestDescribeBuild(t *testing.T) {
	info := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: version}, Settings: settings}
	}
	const commit = "0123456789abcdef0123456789abcdef01234567"
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.time", Value: "2026-11-26T08:00:00Z"}, {Key: "vcs.modified", Value: "true"}}
	clean := []debug.BuildSetting{vcs[0], vcs[1], {Key: "vcs.modified", Value: "false"}}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	for name, c := range map[string]struct {
		linked [3]string
		info   *debug.BuildInfo
		want   view.Build
	}{
		"nothing known": {want: view.Build{Version: "dev", Go: runtime.Version()}},
		"a test":        {info: info("(devel)"), want: view.Build{Version: "dev", Go: "go1.26.8"}},
		"go install of a release": {info: info("v0.3.0"),
			want: view.Build{Version: "0.3.0", Go: "go1.26.8"}},
		"go install of a commit": {info: info("v0.3.1-0.20261126080000-0123456789ab"),
			want: view.Build{Version: "0.3.1-0.20261126080000-0123456789ab", Commit: "0123456789ab", Date: "2026-11-26T08:00:00Z", Go: "go1.26.8"}},
		"go build in a clone": {info: info("v0.3.1-0.20261126080000-0123456789ab+dirty", vcs...),
			want: view.Build{Version: "0.3.1-0.20261126080000-0123456789ab+dirty", Commit: commit, Date: "2026-11-26T08:00:00Z", Modified: true, Go: "go1.26.8"}},
		"make build": {linked: [3]string{"v0.3.0-4-g0123456", "", ""}, info: info("(devel)"),
			want: view.Build{Version: "0.3.0-4-g0123456", Go: "go1.26.8"}},
		"make build without a tag": {linked: [3]string{"0123456-dirty", "", ""}, info: info("(devel)"),
			want: view.Build{Version: "0123456-dirty", Modified: true, Go: "go1.26.8"}},
		"a release": {linked: [3]string{"0.3.0", commit, "2026-11-26T08:00:00Z"}, info: info("v0.3.0", clean...),
			want: view.Build{Version: "0.3.0", Commit: commit, Date: "2026-11-26T08:00:00Z", Go: "go1.26.8"}},
		"a release of another commit than Go's": {linked: [3]string{"0.3.0", "fedcba", "2026-11-25T08:00:00Z"}, info: info("v0.3.0", clean...),
			want: view.Build{Version: "0.3.0", Commit: "fedcba", Date: "2026-11-25T08:00:00Z", Go: "go1.26.8"}},
	} {
		t.Run(name, func(t *testing.T) {
			linkedVersion, linkedCommit, linkedDate = c.linked[0], c.linked[1], c.linked[2]
			defer func() { linkedVersion, linkedCommit, linkedDate = "", "", "" }()
			c.want.Platform = platform
			if d := cmp.Diff(c.want, describeBuild(c.info, c.info != nil)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestShowBuild(t *testing.T) {
	table, err := time.Parse(cost.Day, cost.Prices().Date)
	if err != nil {
		t.Fatal(err)
	}
	prices := "  prices    of " + cost.Prices().Date + ", 12 days old\n"
	for want, b := range map[string]view.Build{
		"flowbed dev\n  go        go1.26.8\n  platform  linux/amd64\n" + prices: {Version: "dev", Go: "go1.26.8", Platform: "linux/amd64"},
		"flowbed 0.3.0\n  commit    0123, modified\n  date      2026-11-26T08:00:00Z\n  go        go1.26.8\n  platform  linux/amd64\n" + prices: {
			Version: "0.3.0", Commit: "0123", Date: "2026-11-26T08:00:00Z", Modified: true, Go: "go1.26.8", Platform: "linux/amd64"},
		"flowbed 0.3.0-dirty\n  commit    modified\n  go        go1.26.8\n  platform  linux/amd64\n" + prices: {
			Version: "0.3.0-dirty", Modified: true, Go: "go1.26.8", Platform: "linux/amd64"},
	} {
		var have bytes.Buffer
		if err := showBuild(&have, b, table.Add(12*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, have.String()); d != "" {
			t.Error(d)
		}
	}
}

// TestLinkedVersion builds the program as `make build` and as a release do.
func TestLinkedVersion(t *testing.T) {
	program := filepath.Join(t.TempDir(), "flowbed")
	flags := "-X main.linkedVersion=v0.3.0 -X main.linkedCommit=0123456 -X main.linkedDate=2026-11-26T08:00:00Z"
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags", flags, "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), program, "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var have struct {
		Format string `json:"format_version"`
		Type   string
		view.Build
	}
	if err := json.Unmarshal(out, &have); err != nil {
		t.Fatal(err)
	}
	want := view.Build{Version: "0.3.0", Commit: "0123456", Date: "2026-11-26T08:00:00Z", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if d := cmp.Diff(want, have.Build); d != "" || have.Type != "build" || have.Format != view.FormatVersion {
		t.Errorf("%s\n%s", out, d)
	}
}
