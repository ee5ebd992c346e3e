package prefect

import (
	"cmp"
	_ "embed" // for releases.txt
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Version is an exact version of Prefect.
type Version struct{ Major, Minor, Patch int }

// ParseVersion parses an exact version such as "3.9.1".
func ParseVersion(s string) (Version, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return Version{}, fmt.Errorf("%q is not an exact version, such as 3.9.1", s)
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil || strconv.FormatUint(v, 10) != p {
			return Version{}, fmt.Errorf("%q is not an exact version, such as 3.9.1", s)
		}
		n[i] = int(v)
	}
	return Version{n[0], n[1], n[2]}, nil
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Compare is negative if v is older than o, and positive if v is newer.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch))
}

func (v Version) since(major, minor, patch int) bool {
	return v.Compare(Version{major, minor, patch}) >= 0
}

// Kind is how the agent of a version works.
type Kind int

// A worker gets its settings from a work pool; a Prefect 1 agent gets them from its
// command line.
const (
	Unsupported Kind = iota
	Worker3
	Worker2
	Agent1
)

// Kind returns how the agent of this version works.
func (v Version) Kind() Kind {
	switch {
	case v.Major == 3 && v.since(3, 4, 7):
		return Worker3
	case v.Major == 2 && v.since(2, 19, 0):
		return Worker2
	case v.Major == 1 && !v.since(1, 4, 2), v.Major == 0 && v.since(0, 14, 0) && !v.since(0, 16, 0):
		return Agent1
	}
	return Unsupported
}

// Why explains why a version is not supported. It is empty for a supported version.
func (v Version) Why() string {
	switch {
	case v.Kind() != Unsupported:
		return ""
	case v.Major == 3:
		return "its ECS worker would write the API key into every task; 3.4.7 and later do not"
	case v.Major == 2:
		return "it has no ECS worker that flowbed can use; 2.19.0 and later have one"
	case v.Major > 3:
		return "it is newer than this version of flowbed supports"
	}
	return "only 0.14.0 to 1.4.1 have the ECS agent"
}

type pair struct {
	from     Version
	aws, day string
}

// pairs lists, from a Prefect version on, the newest prefect-aws at the time of its
// release, and the day on which that prefect-aws was released.
var pairs = []pair{
	{Version{3, 8, 6}, "0.7.12", "2026-09-08"},
	{Version{3, 8, 2}, "0.7.11", "2026-08-05"},
	{Version{3, 8, 0}, "0.7.10", "2026-07-15"},
	{Version{3, 7, 1}, "0.7.9", "2026-05-16"},
	{Version{3, 7, 0}, "0.7.8", "2026-05-06"},
	{Version{3, 6, 25}, "0.7.7", "2026-03-30"},
	{Version{3, 6, 23}, "0.7.6", "2026-03-19"},
	{Version{3, 6, 17}, "0.7.5", "2026-02-12"},
	{Version{3, 6, 11}, "0.7.4", "2026-01-15"},
	{Version{3, 6, 0}, "0.7.0", "2025-11-01"},
	{Version{3, 4, 7}, "0.6.0", "2025-10-14"},
	{Version{2, 20, 10}, "0.4.20", "2024-10-16"},
	{Version{2, 20, 0}, "0.4.19", "2024-08-05"},
	{Version{2, 19, 0}, "0.4.18", "2024-07-02"},
}

// AWS is the version of prefect-aws for a worker's version. It is empty if the version
// has no worker.
func (v Version) AWS() string {
	aws, _ := v.pair()
	return aws
}

func (v Version) pair() (aws, day string) {
	if k := v.Kind(); k != Worker3 && k != Worker2 {
		return "", ""
	}
	for _, p := range pairs {
		if v.Compare(p.from) >= 0 {
			return p.aws, p.day
		}
	}
	return "", ""
}

//go:embed releases.txt
var releases string

// Before limits the age of the packages that a worker is installed with: only packages
// released before this time, the day after the worker's own release, in RFC 3339.
// Prefect does not declare which later packages are too new for it, and there are
// always some. Before is empty for a version that this program does not know yet: it
// works with the newest packages.
func (v Version) Before() string {
	_, day := v.pair()
	if day == "" {
		return ""
	}
	for line := range strings.Lines(releases) {
		version, released, _ := strings.Cut(strings.TrimSpace(line), " ")
		if version != v.String() {
			continue
		}
		at, err := time.Parse(time.DateOnly, max(released, day))
		if err != nil {
			panic("prefect: releases.txt: " + err.Error()) // it is embedded
		}
		return at.AddDate(0, 0, 1).Format(time.RFC3339)
	}
	return ""
}

// Released reports whether this program knows the version as a release. It knows those
// with a worker; of Prefect 1's, it takes all supported versions for releases.
func (v Version) Released() bool {
	if v.Kind() == Agent1 {
		return true
	}
	for line := range strings.Lines(releases) {
		if version, _, _ := strings.Cut(line, " "); version == v.String() {
			return true
		}
	}
	return false
}

// Latest is the newest release that this program knows.
func Latest() string {
	lines := strings.Split(strings.TrimSpace(releases), "\n")
	version, _, _ := strings.Cut(lines[len(lines)-1], " ")
	return version
}

// Newer reports whether the version is newer than all releases of its major version that
// this program knows, so that it may have been released since.
func (v Version) Newer() bool {
	for line := range strings.Lines(releases) {
		text, _, _ := strings.Cut(line, " ")
		if known, err := ParseVersion(text); err == nil && known.Major == v.Major && known.Compare(v) >= 0 {
			return false
		}
	}
	return true
}

// Image is Prefect's image for flows of this version.
//
// Prefect also publishes images with prefect-aws, but not for every version. This
// image exists for every version, and installs the packages in EXTRA_PIP_PACKAGES when
// it starts.
func (v Version) Image() string { return "prefecthq/prefect:" + v.String() + "-python3.12" }

// WorkerImage is Prefect's image for a worker, or for an agent of Prefect 1, and the packages
// that it has to install when it starts (EXTRA_PIP_PACKAGES); none if they are in it. The image
// of a worker of version 3 pins both versions: the tags that name only one of them move with
// each release of the other. For version 2 Prefect publishes no such image, and its guide
// installs prefect-aws when the container starts.
func (v Version) WorkerImage() (image, packages string) {
	switch v.Kind() {
	case Worker3:
		return "prefecthq/prefect-aws:" + v.AWS() + "-python3.12-prefect" + v.String(), ""
	case Worker2:
		return v.Image(), "prefect==" + v.String() + " prefect-aws==" + v.AWS()
	case Agent1:
		return "prefecthq/prefect:" + v.String(), ""
	}
	return "", ""
}

// StaysOut reports whether the worker has an option not to create a missing work pool.
func (v Version) StaysOut() bool { return v.Kind() == Worker3 && v.since(3, 6, 23) }

// FindsByTags reports whether the Prefect 1 agent finds its task definitions by their
// tags. Newer agents register and deregister them for each run.
func (v Version) FindsByTags() bool { return v.Kind() == Agent1 && !v.since(0, 14, 12) }
