package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// render is the report, in Markdown.
func render(o options, tools []*tool, missing []string, found map[string]map[string][]result, kills []killed) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
## Peers

%s measures flowbed and other tools at the same job on the same moto server, with %v added
to each call: an environment with a log group, a bucket, a parameter, three roles, an instance profile, a cluster,
two security groups, two queues, a rule, a key pair and an instance. The tools took turns, in %d rounds; a row is the
median, with the smallest and the largest in parentheses. *Wall* has nothing of what AWS itself needs, and much of what else
the machine does. *Lines* are those of the files that a person writes.

%s. %s, %s/%s with %d cores%s.

`, "`make peers`", o.delay, o.runs, versions(tools), time.Now().UTC().Format("2006-01-02"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), load())
	for _, m := range missing {
		fmt.Fprintf(&b, "Not measured: %s.\n\n", m)
	}
	measured(&b, tools, found)
	if len(kills) > 0 {
		afterKills(&b, kills)
	}
	b.WriteString(notes)
	return b.String()
}

// notes say what the numbers do not.
const notes = `
What differs: flowbed also makes the work pool in Prefect, has one object more, the parameter of its lock, and runs its
own script on the instance. Its file names the execution role and the cluster, so that it shares none. The others make
no pool, and run the short script of test/peers, whose lines count. Ansible's modules know no redrive allow policy of a
queue, and its row for a plan is ` + "`" + `--check` + "`" + `. What Prefect's ` + "`" + `--provision-infra` + "`" + ` makes is another environment, for
the push work pools of its Cloud: an execution role, a user with an access key and a policy, a cluster and an ECR
repository. It has no plan and no removal: its second row is a second run, which looks for what is missing.

Much of Terraform's time is its AWS provider waiting until it has seen the same answer several times: about a minute for
the lifecycle rules of a bucket, and 25 seconds each for a queue, its attributes and its removal. It does so on AWS, too.
`

func versions(tools []*tool) string {
	var list []string
	for _, t := range tools {
		list = append(list, t.version)
	}
	return strings.Join(list, ", ")
}

// load says how busy the machine is, where the system tells.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if one, _, ok := strings.Cut(string(text), " "); err == nil && ok {
		return ", load " + one + " at the end"
	}
	return ""
}

func measured(b *strings.Builder, tools []*tool, found map[string]map[string][]result) {
	b.WriteString("| tool | step | wall | × flowbed | CPU | calls | objects | lines |\n|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, t := range tools {
		for _, step := range steps {
			runs := found[t.name][step]
			if len(runs) == 0 {
				continue
			}
			wall := func(r result) float64 { return r.wall.Seconds() }
			fmt.Fprintf(b, "| %s | %s | %s | %s | %.2f s | %.0f | %d | %d |\n", t.name, step,
				spread(runs, wall), ratio(runs, found["flowbed"][step]), middle(runs, func(r result) float64 { return r.cpu.Seconds() }),
				middle(runs, func(r result) float64 { return float64(r.calls) }), runs[0].objects, t.lines)
		}
	}
}

func middle(runs []result, of func(result) float64) float64 {
	list := sorted(runs, of)
	return list[len(list)/2]
}

func sorted(runs []result, of func(result) float64) (list []float64) {
	for _, r := range runs {
		list = append(list, of(r))
	}
	slices.Sort(list)
	return list
}

func spread(runs []result, of func(result) float64) string {
	list := sorted(runs, of)
	return fmt.Sprintf("%.2f s (%.2f–%.2f)", list[len(list)/2], list[0], list[len(list)-1])
}

// ratio is the median of the ratios of the rounds.
func ratio(runs, base []result) string {
	var list []float64
	for i := range min(len(runs), len(base)) {
		list = append(list, runs[i].wall.Seconds()/base[i].wall.Seconds())
	}
	if len(list) == 0 {
		return ""
	}
	slices.Sort(list)
	return fmt.Sprintf("%.1f", list[len(list)/2])
}

func afterKills(b *strings.Builder, kills []killed) {
	b.WriteString("\nEach tool was killed while it was building, with `kill -9` and with all processes that it had started, when the emulator had\n" +
		"carried out the named writing call. Then it was run again, and told to remove everything:\n\n" +
		"| tool | killed after | objects then | second run | objects too many | removal | objects left |\n|---|--:|--:|---|--:|---|---|\n")
	for _, k := range kills {
		fmt.Fprintf(b, "| %s | %d of %d | %d | %s | %d | %s | %s |\n", k.tool, k.at, k.writes, len(k.there), verdict(k.again), k.extra, verdict(k.removal), leftover(k.left))
	}
}

func verdict(failure string) string {
	switch failure {
	case "":
		return "succeeds"
	case noRemoval:
		return noRemoval
	}
	return "fails: " + strings.ReplaceAll(failure, "|", "\\|")
}

func leftover(left objects) string {
	if len(left) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d: %s", len(left), strings.Join(left, ", "))
}
