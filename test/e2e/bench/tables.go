package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

func tables(found [][]result, delay, start time.Duration, size int64) string {
	var b strings.Builder
	row := func(cells ...any) {
		fmt.Fprintf(&b, "| %-20s | %7s | %7s | %5s | %5s | %9s | %13s | %8s | %7s |\n", cells...)
	}
	row("", "wall", "aim", "calls", "aim", "in flight", "critical path", "moto", "memory")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for i, c := range commands {
		r := median(found[i])
		n := chain(r.calls)
		aim, calls := "", ""
		if c.wall > 0 {
			aim = seconds(c.wall)
		}
		if c.calls > 0 {
			calls = fmt.Sprint(c.calls)
		}
		row(c.name, seconds(r.wall), aim, fmt.Sprint(len(r.calls)), calls, fmt.Sprint(inFlight(r.calls)),
			fmt.Sprintf("%d = %s", n, seconds(time.Duration(n)*delay)), seconds(busy(r.calls)), mib(r.memory))
	}
	fmt.Fprintf(&b, "\n| %-20s | %9s | %7s |\n|---|--:|--:|\n", "", "", "aim")
	fmt.Fprintf(&b, "| %-20s | %9s | %7s |\n", "flowbed version", fmt.Sprintf("%.1f ms", start.Seconds()*1000), "20 ms")
	fmt.Fprintf(&b, "| %-20s | %9s | %7s |\n", "stripped binary", fmt.Sprintf("%.1f MB", float64(size)/1e6), "25 MB")
	fmt.Fprintf(&b, "| %-20s | %9s | %7s |\n", "peak memory", mib(peak(found)), "60 MB")
	return b.String()
}

func preface(delay time.Duration, runs int) string {
	return fmt.Sprintf(`# Benchmarks

%s writes the first part of this page. It runs the real binary against
moto, with %v added to each call, on %s/%s with %d cores. Each row is the run of median length of %d.
*In flight* is the most calls at the same time. The *critical path* is the longest chain of calls that
each began after the one before had ended, times the delay. *moto* is the time in which the emulator
worked on a call. Machines differ, so these numbers are not a test.

The environment has the default names of the execution role and the cluster, which environments share. The last
one to leave them waits 15 seconds before it deletes them, in case another one is just coming: that is most of the
time of down.

`, "`make bench BENCH=-markdown=docs/benchmarks.md`", delay, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runs)
}

func median(runs []result) result {
	runs = slices.SortedFunc(slices.Values(runs), func(a, b result) int { return int(a.wall - b.wall) })
	return runs[len(runs)/2]
}

func peak(found [][]result) (most int64) {
	for _, runs := range found {
		for _, r := range runs {
			most = max(most, r.memory)
		}
	}
	return most
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func mib(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }
