package permissions

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// GitHub workflows authenticate with tokens from this OIDC provider.
// https://docs.github.com/actions/security-for-github-actions/security-hardening-your-deployments/about-security-hardening-with-openid-connect
const provider = "token.actions.githubusercontent.com"

var (
	repository = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}$`)
	branch     = regexp.MustCompile(`^[A-Za-z0-9._/*-]+$`)
)

// Workflow tells which GitHub workflows may assume a role.
type Workflow struct {
	Repository string // owner/name
	Subject    string // of the token; * matches any text
}

// ParseWorkflow parses github:OWNER/REPO, which means all workflow runs of the
// repository. One of these may follow: :BRANCH, :environment:NAME, :ref:REF (a full
// ref, such as refs/tags/v*), :pull_request.
func ParseWorkflow(s string) (w Workflow, err error) {
	rest, ok := strings.CutPrefix(s, "github:")
	if !ok {
		return w, fmt.Errorf("%q does not start with \"github:\" → use github:OWNER/REPO", s)
	}
	w.Repository, rest, ok = strings.Cut(rest, ":")
	if !repository.MatchString(w.Repository) {
		return w, fmt.Errorf("%q is not a GitHub repository → use OWNER/REPO", w.Repository)
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
		return w, fmt.Errorf("%q is not a workflow filter → use BRANCH, environment:NAME, ref:refs/… or pull_request", rest)
	}
	w.Subject = "repo:" + w.Repository + ":" + rest
	return w, nil
}

// Open reports whether workflows of all branches and pull requests may assume the role.
func (w Workflow) Open() bool { return strings.HasSuffix(w.Subject, ":*") }

// Trust is the trust policy, in JSON, of a role that the workflow may assume. The
// account needs GitHub's OIDC provider.
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
		panic(err) // it contains only strings
	}
	return string(b) + "\n"
}
