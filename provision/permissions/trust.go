package permissions

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// A workflow of GitHub proves who it is with a token of this provider.
// https://docs.github.com/actions/security-for-github-actions/security-hardening-your-deployments/about-security-hardening-with-openid-connect
const provider = "token.actions.githubusercontent.com"

var (
	repository = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}$`)
	branch     = regexp.MustCompile(`^[A-Za-z0-9._/*-]+$`)
)

// Workflow says whose tokens a role trusts.
type Workflow struct {
	Repository string // owner/name
	Subject    string // of the token, with * for any text
}

// ParseWorkflow reads github:OWNER/REPO, which is any run of the repository's
// workflows, or with one of these behind it: :BRANCH, :environment:NAME,
// :ref:REF (a whole one, as refs/tags/v*), :pull_request.
func ParseWorkflow(s string) (w Workflow, err error) {
	rest, ok := strings.CutPrefix(s, "github:")
	if !ok {
		return w, fmt.Errorf("%q does not begin with github: as github:OWNER/REPO does", s)
	}
	w.Repository, rest, ok = strings.Cut(rest, ":")
	if !repository.MatchString(w.Repository) {
		return w, fmt.Errorf("%q is not OWNER/REPO", w.Repository)
	}
	if !ok {
		w.Subject = "repo:" + w.Repository + ":*"
		return w, nil
	}
	kind, name, named := strings.Cut(rest, ":")
	switch {
	case rest == "pull_request":
	case named && kind == "environment" && name != "" && !strings.ContainsAny(name, `":`):
	case named && kind == "ref" && strings.HasPrefix(name, "refs/") && branch.MatchString(name):
	case !named && branch.MatchString(kind):
		rest = "ref:refs/heads/" + kind
	default:
		return w, fmt.Errorf("%q is not a branch, environment:NAME, ref:refs/… or pull_request", rest)
	}
	w.Subject = "repo:" + w.Repository + ":" + rest
	return w, nil
}

// Open reports whether workflows of any branch and of pull requests are trusted.
func (w Workflow) Open() bool { return strings.HasSuffix(w.Subject, ":*") }

// Trust is the trust policy of a role that the workflow may assume, in JSON. The
// account must know the provider.
func (w Workflow) Trust(partition, account string) string {
	audience := "sts.amazonaws.com"
	if partition == "aws-cn" {
		audience += ".cn"
	}
	equal, like := map[string]string{provider + ":aud": audience}, map[string]string(nil)
	if strings.Contains(w.Subject, "*") {
		like = map[string]string{provider + ":sub": w.Subject}
	} else {
		equal[provider+":sub"] = w.Subject
	}
	type condition struct {
		StringEquals map[string]string
		StringLike   map[string]string `json:",omitempty"`
	}
	type statement struct {
		Effect    string
		Principal map[string]string
		Action    string
		Condition condition
	}
	b, err := json.MarshalIndent(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{{
		Effect: "Allow", Principal: map[string]string{"Federated": "arn:" + partition + ":iam::" + account + ":oidc-provider/" + provider},
		Action: "sts:AssumeRoleWithWebIdentity", Condition: condition{equal, like},
	}}}, "", "  ")
	if err != nil {
		panic(err) // texts
	}
	return string(b) + "\n"
}
