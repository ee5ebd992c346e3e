package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
)

const intro = `# Permissions

<!-- Written by "make docs" from what each kind in provision/resource says of its calls,
and from provision/permissions/gendoc: edit that. -->

    flowbed policy --for up > up.json

prints the smallest IAM policy for the person or the role that runs a command on an
environment, with its names and its account filled in; ` + "`plan`" + ` and ` + "`down`" + ` have
their own. It needs no credentials if ` + "`account`" + ` and ` + "`region`" + ` are in the file. For a
role of a GitHub workflow, ` + "`flowbed policy --trust github:OWNER/REPO:BRANCH`" + ` prints the
trust policy. ` + "`flowbed doctor`" + ` tells whether the caller has all of it.

The table below is what the policies are made of. A test runs plan, up and down in an
account that allows nothing else, and fails if a call is refused, or if the table has
an action that nothing calls.

## How narrow it is

- What has a name is allowed under the environment's names only. EC2's objects have
  none: what is made must carry the tag ` + "`flowbed:environment`" + `, and what is changed or
  deleted must have it.
- What is allowed on everything (` + "`*`" + `) reads, and AWS knows no narrower form of it.
- The agent's role can be passed to EC2, and to nothing else; no other role can be
  passed. Only the managed policies of the file can be attached.
- ` + "`down`" + ` may empty the bucket only with ` + "`force_destroy = true`" + ` in the file, or with
  ` + "`--force-destroy` or `--force-destroy-bucket`" + `, which ` + "`flowbed policy`" + ` has, too.
- A bucket, role or cluster with ` + "`ownership = \"external\"`" + ` is only read.

What it cannot prevent: who may write the policies of the environment's roles, and pass
one to an instance, can give himself in that way what they can be given. Where that
matters, let a service control policy limit what roles named ` + "`flowbed-*`" + ` may do.

## What is not in it

- ` + "`sts:GetCallerIdentity`" + ` needs no permission.
- No KMS key is used but those of AWS, which need none. If the account encrypts new
  volumes with a key of its own, EC2 needs what
  [AWS lists](https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html).
- ` + "`sts:DecodeAuthorizationMessage`" + ` lets flowbed say more about a refusal of EC2. Without
  it, the command is named with which somebody else can read it.
- ` + "`flowbed doctor`" + ` also asks ` + "`ec2:DescribeRegions`, `iam:GetAccountSummary`" + `,
  ` + "`iam:SimulatePrincipalPolicy`" + ` and ` + "`iam:GetRole`" + `; what it may not ask, it cannot tell.
- After a new name in the file, the run that removes the object of the earlier name
  needs the permissions for that name: allow what the earlier file's policy says, too.
- ` + "`flowbed list`, `flowbed sweep` and `flowbed agent`" + ` ask for more than one environment's
  names, or talk to the instance; they are for people.

A managed policy may have 6,144 characters. That of ` + "`up`" + ` comes near; where long names
make it longer, the command says so, and an inline policy of a role takes it.

## The table

Actions are needed by the commands in the second column. ` + "`<env>`" + `, ` + "`<region>`" + ` and
` + "`<account>`" + ` stand for the environment's; names that the file gives take the place of the
default ones.
`

// row is a number of actions that are needed alike.
type row struct {
	actions  []string
	verbs    []string
	on, when string
}

func render(root string) ([]byte, error) {
	var order []string
	rows := map[string][]row{}
	for _, v := range permissions.Verbs {
		steps, err := table(root, v)
		if err != nil {
			return nil, err
		}
		at := 0
		for _, s := range steps {
			if i := slices.Index(order, s.Step); i >= 0 {
				at = i + 1
			} else {
				order = slices.Insert(order, at, s.Step)
				at++
			}
			for _, n := range s.Permissions {
				rows[s.Step] = add(rows[s.Step], n, string(v))
			}
		}
	}
	var b bytes.Buffer
	b.WriteString(intro)
	for _, step := range order {
		fmt.Fprintf(&b, "\n### %s\n\n| action | for | on | if |\n|---|---|---|---|\n", strings.ToUpper(step[:1])+step[1:])
		for _, r := range joined(rows[step]) {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", codes(r.actions), strings.Join(r.verbs, ", "), r.on, r.when)
		}
	}
	return b.Bytes(), nil
}

// edits make of config.hcl.example an environment with all kinds under their default
// names, in which the name of the environment can be told from everything else.
var edits = [][2]string{
	{`environment "dev"`, `environment "nameofenv"`},
	{`(?m)^ +(name|namespace|ownership|ttl|policies|work_pool) += .*\n`, ""},
	{`region( +)= ".*?"`, `region${1}= "eu-central-1"`},
	{`file\(".*?"\)`, `"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtrA6bFuLpRHCEArr5R5S0EJzbf6zp2z9AhbhlNqEIl"`},
}

// example writes the edited example to a file, and returns its path.
func example(root string) (string, error) {
	b, err := os.ReadFile(filepath.Join(root, "config.hcl.example"))
	if err != nil {
		return "", err
	}
	text := string(b)
	for _, e := range edits {
		pattern := regexp.MustCompile(e[0])
		if !pattern.MatchString(text) {
			return "", fmt.Errorf("config.hcl.example has no %s", e[0])
		}
		text = pattern.ReplaceAllString(text, e[1])
	}
	f, err := os.CreateTemp("", "flowbed-*.hcl")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	return f.Name(), errors.Join(err, f.Close())
}

func table(root string, v permissions.Verb) ([]permissions.Needs, error) {
	path, err := example(root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(path) }() // of a temporary directory
	f, err := spec.Load(path, spec.Options{
		Destroy: v == permissions.Down, Vars: map[string]string{"api_key": "key"},
		Environ: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		return nil, err
	}
	e, err := f.Environment(spec.Place{Account: f.Account(), Region: f.Region()})
	if err != nil {
		return nil, err
	}
	id := resource.Identity{Env: e.Name, Account: f.Account(), Region: f.Region(), Partition: "aws"}
	return stack.Permissions(v, e, id, stack.Options{ForceDestroy: true})
}

// add notes a need, one action a row.
func add(rows []row, n resource.Permission, verb string) []row {
	on, when := codes(n.Resources), condition(n)
	for _, a := range n.Actions {
		i := slices.IndexFunc(rows, func(r row) bool { return r.actions[0] == a && r.on == on && r.when == when })
		switch {
		case i < 0:
			rows = append(rows, row{[]string{a}, []string{verb}, on, when})
		case !slices.Contains(rows[i].verbs, verb):
			rows[i].verbs = append(rows[i].verbs, verb)
		}
	}
	return rows
}

// joined puts actions that are needed alike into one row.
func joined(rows []row) (list []row) {
	for _, r := range rows {
		i := slices.IndexFunc(list, func(o row) bool { return slices.Equal(o.verbs, r.verbs) && o.on == r.on && o.when == r.when })
		if i < 0 {
			list = append(list, r)
		} else {
			list[i].actions = append(list[i].actions, r.actions...)
		}
	}
	return list
}

// condition says under which condition, and why it is needed at all.
func condition(n resource.Permission) string {
	var parts []string
	for _, op := range slices.Sorted(maps.Keys(n.Condition)) {
		for _, k := range slices.Sorted(maps.Keys(n.Condition[op])) {
			parts = append(parts, "`"+k+"` is "+strings.ReplaceAll(codes(n.Condition[op][k]), ", ", " or "))
		}
	}
	text := strings.Join(parts, ", ")
	if n.Implied != "" {
		if text != "" {
			text += ": "
		}
		text += n.Implied
	}
	return text
}

var placeholders = strings.NewReplacer("nameofenv", "<env>", "eu-central-1", "<region>", "123456789012", "<account>")

func codes(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = "`" + placeholders.Replace(s) + "`"
	}
	return strings.Join(out, ", ")
}
