package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed functions.txt
var functions string

const head = `<!-- Written by "make docs" from the comments in provision/spec/spec.go. Change those. -->

# The file config.hcl

` + "`config.hcl`" + ` describes environments in [HCL](https://github.com/hashicorp/hcl), the language of
Terraform. flowbed reads it from the working directory; ` + "`--config`" + ` names another file. flowbed reports
every mistake in a file at once, with its line, before it calls AWS.

This is the shortest file. It describes an environment without Prefect:

` + "```hcl\nenvironment \"dev\" {}\n```" + `

This one adds a work pool in your own Prefect server, and an agent that runs its worker:

` + "```hcl" + `
environment "dev" {
  prefect { api_url = "https://prefect.example.com/api" }
  agent {}
}
` + "```" + `

At the end of the page, [one example](#everything-in-one-example) shows everything.

`

const defaults = `## Defaults, local values and patterns

The ` + "`defaults`" + ` block has the attributes and blocks of an environment, but no label. It applies to every
environment of the file:

- An attribute of the environment wins. ` + "`null`" + ` unsets one of the defaults.
- Maps (` + "`tags`, `env`" + `) are merged key by key; ` + "`null`" + ` leaves a key out. Lists replace each other.
- ` + "`statement`" + ` blocks add up.
- ` + "`enabled = false`" + ` leaves out a block of the defaults.
- Alternatives replace each other: ` + "`api_key` and `auth_string`, `public_key` and `key_name`" + `.
- Expressions are evaluated for each environment: ` + "`env_name`, `account` and `region`" + ` are its own.

A ` + "`locals`" + ` block gives names to expressions: ` + "`locals { prefix = \"data-${env_name}\" }`, then `local.prefix`" + `.
They can use everything that attributes can use, and each other. A value that comes from a sensitive variable
stays sensitive.

A label that ends in an asterisk is a pattern: ` + "`environment \"pr-*\"`" + ` describes every environment whose name
begins with ` + "`pr-`" + ` and has at least one character more, for example ` + "`-e pr-4711`" + `. A block with exactly the name
wins, and inherits nothing from the pattern. It is an error if two patterns match a name. Without ` + "`-e`" + `, no
pattern is used.

No two environments of a file may own a resource of the same name in one account, or the same work pool:
` + "`flowbed validate`" + ` reports it.

`

const expressions = `## Expressions

A value can be an expression, as in Terraform: ` + "`\"${region}-data\"`, `var.big ? \"t3.large\" : \"t2.micro\"`" + `,
` + "`[for s in var.subnets : trimspace(s)]`" + `. ` + "`null`" + ` means that the attribute is not set. Expressions can
use these names:

| Name | Value |
| --- | --- |
| ` + "`account`" + ` | the AWS account, 12 digits; ` + "`region` and `account`" + ` themselves cannot use it |
| ` + "`region`" + ` | the region, for example ` + "`us-east-1`" + `; the same restriction applies |
| ` + "`env_name`" + ` | the environment's name |
| ` + "`var.NAME`" + ` | the variable ` + "`NAME`" + ` |
| ` + "`local.NAME`" + ` | the local value ` + "`NAME`" + ` |

### Functions

Two functions read values from outside the file:

- ` + "`env(\"NAME\")`" + ` returns an environment variable. It fails if the variable is not set.
- ` + "`file(\"PATH\")`" + ` returns the text of a file. The path is relative to the directory of ` + "`config.hcl`" + `;
  ` + "`~`" + ` is the home directory.

The others work as in Terraform. An example of each:

`

const secrets = `## Secrets

Put a secret into a sensitive variable, and set it with ` + "`FLOWBED_VAR_api_key`, `--var-file` or\n`--var api_key=…`" + `. flowbed never prints the value of a sensitive variable. It accepts the value only for
an attribute that holds a secret, because AWS stores tags and names in plain text. Error messages do not
quote values from ` + "`env` or `file`" + ` either.

An error normally shows the line of the file. Where a secret may be, it says only the line, the column and the
attribute: in a ` + "`variable` or `prefect`" + ` block with a secret in it, at a name that the language does not have,
and in such a block of a file with a syntax error.

` + "`down` and `plan --down`" + ` need no secret, no variable and no key file. Attributes that depend on a missing
one count as not set. Only the region, the account and the names of resources must have a value.

## Limits

The config file, files of variables and files that ` + "`file`" + ` reads must be regular files, not pipes or devices, with
at most 1 MiB of text in UTF-8. A config file can have 50,000 words and signs, 1000 environments, brackets that are
nested 500 levels deep, 5000 operators in an expression, and 200 local values that refer to each other in a row. A
value, with all that it is made of, can have 4 MiB. These limits keep a generated or damaged file from filling the
memory, and from taking forever.

`

// render builds the page. root is the root of the repository.
func render(root string) ([]byte, error) {
	structs, err := parse(filepath.Join(root, "provision/spec"))
	if err != nil {
		return nil, err
	}
	example, err := os.ReadFile(filepath.Join(root, "config.hcl.example"))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(head)
	fmt.Fprintf(&b, "## Blocks\n\n")
	for _, path := range []string{"environment", "variable"} {
		toc(&b, structs, title(path), path, 0)
	}
	b.WriteString("- [`defaults`, `locals`](#defaults-local-values-and-patterns): what environments have in common\n\n")
	for _, path := range []string{"environment", "variable"} {
		section(&b, structs, title(path), path)
	}
	b.WriteString(defaults)
	b.WriteString(expressions)
	b.WriteString("```hcl\n" + functions + "```\n\n")
	b.WriteString(secrets)
	fmt.Fprintf(&b, "## Everything in one example\n\nThis is `config.hcl.example`.\n\n```hcl\n%s```\n", example)
	return b.Bytes(), nil
}

func toc(b *bytes.Buffer, structs map[string]block, name, path string, depth int) {
	anchor := strings.ReplaceAll(path, " ", "-")
	words := strings.Fields(path)
	fmt.Fprintf(b, "%s- [`%s`](#%s)%s\n", strings.Repeat("  ", depth), words[len(words)-1], anchor, structs[name].brief())
	for _, f := range structs[name].fields {
		if f.block {
			toc(b, structs, f.goType, path+" "+f.name, depth+1)
		}
	}
}

// section writes a block, and then the blocks in it.
func section(b *bytes.Buffer, structs map[string]block, name, path string) {
	s := structs[name]
	fmt.Fprintf(b, "### %s\n\n%s\n\n", path, s.doc)
	rows := 0
	for _, f := range s.fields {
		if f.block || f.label {
			continue
		}
		if rows++; rows == 1 {
			b.WriteString("| Attribute | Type | Default | Meaning |\n| --- | --- | --- | --- |\n")
		}
		meaning, fallback := f.split()
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.name, f.kind(), fallback, meaning)
	}
	if rows > 0 {
		b.WriteByte('\n')
	}
	for _, f := range s.fields {
		if f.block {
			section(b, structs, f.goType, path+" "+f.name)
		}
	}
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
