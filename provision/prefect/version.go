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

// ParseVersion reads a version such as "3.9.1".
func ParseVersion(s string) (Version, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return Version{}, fmt.Errorf("%q is no exact version, such as 3.9.1", s)
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil || strconv.FormatUint(v, 10) != p {
			return Version{}, fmt.Errorf("%q is no exact version, such as 3.9.1", s)
		}
		n[i] = int(v)
	}
	return Version{n[0], n[1], n[2]}, nil
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Compare is negative if v is older than o, positive if it is newer.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch))
}

func (v Version) since(major, minor, patch int) bool {
	return v.Compare(Version{major, minor, patch}) >= 0
}

// Kind is how an agent of a version works.
type Kind int

// A worker takes its settings from a work pool; an agent of Prefect 1 takes
// them from its command line.
const (
	Unsupported Kind = iota
	Worker3
	Worker2
	Agent1
)

// Kind says how the agent of this version works.
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

// Why says why a version is not supported; it is empty if it is.
func (v Version) Why() string {
	switch {
	case v.Kind() != Unsupported:
		return ""
	case v.Major == 3:
		return "its ECS worker would write the API key into every task; 3.4.7 and later do not"
	case v.Major == 2:
		return "it has agents, and no ECS worker that could be used; 2.19.0 and later have"
	case v.Major > 3:
		return "it is newer than this program knows"
	}
	return "the ECS agent is in 0.14.0 to 1.4.1"
}

// pairs are the newest prefect-aws that was there when a Prefect came out, from
// a version on, with the day of its own release.
var pairs = []struct {
	from Version
	aws  string
	day  string
}{
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

// AWS is the version of prefect-aws that belongs to a worker's version; it is
// empty if the version has no worker.
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

// Before is the time up to which packages may have been released that a worker's
// version is installed with, in RFC 3339: the day after its own release. Prefect
// does not say which later versions of other packages are too new for it, and
// there are always some. It is empty for a version that this program does not
// know yet, for which the newest are right.
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

// Image is Prefect's own image for flows of this version.
//
// There are images with prefect-aws in them, but each for the newest Prefect of
// its day only; this one exists for every version, and installs what
// EXTRA_PIP_PACKAGES names when it starts.
func (v Version) Image() string { return "prefecthq/prefect:" + v.String() + "-python3.12" }

// StaysOut reports whether the worker can be told not to make a work pool that
// it does not find.
func (v Version) StaysOut() bool { return v.Kind() == Worker3 && v.since(3, 6, 23) }

// FindsByTags reports whether the agent of Prefect 1 looks for its task
// definitions by their tags, instead of registering and deregistering them.
func (v Version) FindsByTags() bool { return v.Kind() == Agent1 && !v.since(0, 14, 12) }
