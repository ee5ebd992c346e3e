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
Terraform. flowbed reads it from the working directory, or from where ` + "`--config`" + ` says. All that
is wrong with a file is reported at once, with its line, before anything is asked of AWS.

The least that a file needs, for an environment without an agent:

` + "```hcl\nenvironment \"dev\" {}\n```" + `

And with one, for a Prefect server of your own:

` + "```hcl" + `
environment "dev" {
  agent {
    prefect { api_url = "https://prefect.example.com/api" }
  }
}
` + "```" + `

[All of it in one example](#everything-in-one-example) is at the end.

`

const expressions = `## Expressions

A value can be an expression, as in Terraform: ` + "`\"${region}-data\"`, `var.big ? \"t3.large\" : \"t2.micro\"`" + `,
` + "`[for s in var.subnets : trimspace(s)]`" + `. ` + "`null`" + ` is the same as leaving the attribute out. These names
are known:

| Name | Value |
| --- | --- |
| ` + "`account`" + ` | the AWS account, 12 digits (not in ` + "`region` and `account`" + ` themselves) |
| ` + "`region`" + ` | the region, for example ` + "`us-east-1`" + ` (not there either) |
| ` + "`env_name`" + ` | the environment's name |
| ` + "`var.NAME`" + ` | the variable ` + "`NAME`" + ` |

### Functions

Two reach outside the file:

- ` + "`env(\"NAME\")`" + ` is an environment variable. It is an error if it is not set.
- ` + "`file(\"PATH\")`" + ` is a file's text. The path is relative to the spec's directory; ` + "`~`" + ` is the home
  directory.

The others are Terraform's. Each by an example:

`

const secrets = `## Secrets

Put a secret into a sensitive variable, and give its value with ` + "`FLOWBED_VAR_api_key`" + ` or
` + "`--var api_key=…`" + `. The value of a sensitive variable is never shown, and it is accepted only for an
attribute that holds a secret: in a tag or a name it would be stored in the clear. A message about a
wrong value does not quote it if it comes from ` + "`env` or `file`" + ` either.

` + "`down`" + `, and the plan of a removal, need no secret, no variable and no key file: what cannot be
evaluated without them counts as not written. Only what says how an object is called or where it is
must be known then: the region, the account, and the names.

`

// render makes the page from the files below the repository's root.
func render(root string) ([]byte, error) {
	structs, err := parse(filepath.Join(root, "provision/spec/spec.go"))
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
	b.WriteByte('\n')
	for _, path := range []string{"environment", "variable"} {
		section(&b, structs, title(path), path)
	}
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

// section writes a block and, after it, the blocks in it.
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
