package main

import (
	"net/url"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// config is the text of the config file.
func (x answers) config() string {
	var b strings.Builder
	b.WriteString(`# A place on AWS where Prefect flows run. "flowbed plan" shows what up would change,
# "flowbed up" builds it, "flowbed down" removes it. What else can stand here:
# https://github.com/flowbed/flowbed/blob/main/docs/spec.md

`)
	if s := x.secret(); s != "" {
		b.WriteString(`# The secret of the Prefect API. It does not belong in this file: set FLOWBED_VAR_` + s + `.
variable "` + s + `" {
  sensitive = true
}

`)
	}
	b.WriteString(`environment ` + literal(x.name) + ` {
  region = ` + literal(x.region) + `

  # In any other AWS account, flowbed stops before it reads or changes anything.
  # account = "123456789012"

  # "flowbed sweep" removes the environment after this time. Without it, it stays.
  # ttl = "8h"

  # All resources get these tags.
  # tags = { team = "data" }
`)
	if x.api != none {
		b.WriteString(x.prefect())
	}
	b.WriteString(agentTexts[x.agent])
	b.WriteString("}\n")
	return b.String()
}

// agentTexts are the agent's blocks.
var agentTexts = map[string]string{
	"instance": `
  # The EC2 instance whose Prefect worker starts the flows. This compares it with a service:
  # https://github.com/flowbed/flowbed/blob/main/docs/choose.md
  agent {}
`,
	"service": `
  # The ECS service whose Prefect worker starts the flows. This compares it with an instance:
  # https://github.com/flowbed/flowbed/blob/main/docs/choose.md
  agent {
    service {}
  }
`,
}

// prefect is the text of the prefect block.
func (x answers) prefect() string {
	text := `
  # The Prefect API, and the work pool that flowbed makes in it.
  prefect {
    api_url = ` + literal(x.api) + "\n"
	switch s := x.secret(); s {
	case "":
		text += `
    # If the server wants a user and a password, as user:password:
    # auth_string = var.auth_string # and, above: variable "auth_string" { sensitive = true }
`
	case "api_key":
		text += "    api_key = var.api_key\n"
	default:
		text = strings.Replace(text, "api_url = ", "api_url     = ", 1) + "    " + s + " = var." + s + "\n"
	}
	text += "  }\n"
	if x.agent == none {
		text += `
  # There is no agent here: run the worker elsewhere. "flowbed outputs" prints its command,
  # and "flowbed policy --for worker" the permissions that it needs.
`
	}
	return text
}

// secret is the attribute that the API's secret goes to; empty if the API has none.
func (x answers) secret() string {
	u, err := url.Parse(x.api)
	switch {
	case x.api == none || err != nil:
		return ""
	case strings.HasSuffix("."+strings.ToLower(u.Hostname()), ".prefect.cloud"):
		return "api_key"
	case os.Getenv("PREFECT_API_AUTH_STRING") != "":
		return "auth_string"
	case os.Getenv("PREFECT_API_KEY") != "":
		return "api_key"
	}
	return ""
}

// literal is a string as HCL has it.
func literal(s string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
}
