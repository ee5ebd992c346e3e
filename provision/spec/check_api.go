package spec

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
)

const uuid = `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`

var (
	cloudPath   = compile(`^/api/accounts/` + uuid + `/workspaces/` + uuid + `/?$`)
	browserPath = compile(`^/account/(` + uuid + `)/workspace/(` + uuid + `)(/|$)`)
)

// checkURL checks the API's URL and reports whether it is Prefect Cloud's.
func (d *decoder) checkURL(p *Prefect, kind prefect.Kind) (cloud bool) {
	example := ` → use, for example, "https://prefect.example.com/api"`
	if kind == prefect.Agent1 {
		example = ` → use, for example, "http://prefect.example.com:4200"`
	}
	u, err := url.Parse(p.APIURL)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		d.bad(&p.APIURL, "Invalid API URL", "%s is not an absolute URL."+example)
		return false
	case u.User != nil:
		d.errorAt(d.given[&p.APIURL].attr.Expr.Range(), "Invalid API URL", "The URL contains a user name or a password, and plans show the URL. → remove them; if the server requires them, use auth_string")
		return false
	case u.RawQuery != "" || u.Fragment != "":
		d.bad(&p.APIURL, "Invalid API URL", "%s has a query or a fragment after its path."+example)
		return false
	}
	host := strings.ToLower(u.Hostname())
	switch isCloud := host == "prefect.cloud" || strings.HasSuffix(host, ".prefect.cloud"); {
	case isCloud && kind == prefect.Agent1:
		d.bad(&p.APIURL, "Prefect 1 with Prefect Cloud", "%s is Prefect Cloud, which does not support Prefect 1. → use the address of a Prefect Server, or Prefect 3")
	case isCloud:
		d.checkCloud(p, u)
		return true
	}
	d.warnURL(p, u, kind)
	return false
}

// warnURL warns about URLs that probably do not work from the agent.
func (d *decoder) warnURL(p *Prefect, u *url.URL, kind prefect.Kind) {
	at := d.given[&p.APIURL].attr.Expr.Range()
	path := strings.Trim(u.Path, "/")
	switch {
	case loopback(u.Hostname()):
		d.warnAt(at, "API on this machine", "The agent and its tasks run in AWS, where this address is their own machine. → use an address that they can reach")
	case kind == prefect.Agent1 && path == "api":
		d.warnAt(at, "API URL with a path", "A Prefect 1 Server answers at its root. → the URL should probably end before /api")
	case kind != prefect.Agent1 && path == "":
		d.warnAt(at, "API URL without a path", "A Prefect server answers at /api. → the URL should probably end in /api")
	}
}

func (d *decoder) checkCloud(p *Prefect, u *url.URL) {
	if u.Scheme == "https" && strings.EqualFold(u.Host, "api.prefect.cloud") && cloudPath.matches(u.Path) {
		return
	}
	todo := "use https://api.prefect.cloud/api/accounts/<account id>/workspaces/<workspace id>, with the two ids from the address of your workspace in the browser"
	if m := browserPath().FindStringSubmatch(u.Path); m != nil && d.showable(&p.APIURL) { // somebody copied it from the browser
		todo = "use: https://api.prefect.cloud/api/accounts/" + m[1] + "/workspaces/" + m[2]
	}
	d.bad(&p.APIURL, "Invalid API URL", "%s does not name a Prefect Cloud account and workspace. → %s", todo)
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && (addr.IsLoopback() || addr.IsUnspecified())
}

// checkSecrets checks the API's secret. It never shows it.
func (d *decoder) checkSecrets(p *Prefect, kind prefect.Kind, cloud bool) {
	key, auth := d.written(&p.APIKey), d.written(&p.AuthString)
	switch {
	case auth && kind == prefect.Agent1: // checkPrefect has reported it
	case key && auth:
		d.refuse(&p.AuthString, "Two secrets", "The block sets both api_key, for Prefect Cloud, and auth_string, for your own server. → remove one of them")
	case auth && cloud:
		d.refuse(&p.AuthString, "auth_string with Prefect Cloud", "Prefect Cloud does not support auth_string. → use api_key")
	case !key && cloud:
		if !d.misspells(d.blocks[p], "api_key") {
			d.errorAt(d.blockOf(p).DefRange(), "Missing attribute", "Prefect Cloud requires an API key. → add api_key = var.api_key to the prefect block, and variable \"api_key\" { sensitive = true } to the file")
		}
	}
	if d.has(&p.APIKey) {
		d.checkSecret(&p.APIKey, "API key", "api_key", badKeyText(p.APIKey, cloud))
		if kind == prefect.Agent1 && p.APIKey != "" {
			d.warnAt(d.given[&p.APIKey].attr.Expr.Range(), "Key in plain text",
				"A Prefect 1 agent copies the key into the environment of every task, and anybody who may describe the tasks can read it there. → leave it out for a Prefect Server, which does not need one")
		}
	}
	if d.has(&p.AuthString) {
		d.checkSecret(&p.AuthString, "auth_string", "auth_string", badAuth(p.AuthString))
	}
}

func (d *decoder) checkSecret(field *string, what, name, why string) {
	g := d.given[field]
	at := g.attr.Expr.Range()
	switch {
	case why != "":
		d.errorAt(at, "Invalid "+what, why)
	case g.open && *field != "":
		d.warnAt(at, "Secret in the file", fmt.Sprintf(
			"The %s is in %s, and anybody who has the file can read it. → use a sensitive variable: variable %q { sensitive = true }", what, at.Filename, name))
	}
}

// badKeyText explains why a string cannot be an API key. It is empty for a good key.
func badKeyText(key string, needed bool) string {
	switch {
	case key == "" && needed:
		return "The API key is empty, and Prefect Cloud requires one."
	case strings.TrimSpace(key) != key:
		return "The API key starts or ends with a space or a line break. → use trimspace(…)"
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "The API key contains a space, a line break or a character outside ASCII, so it cannot be a key."
	case !storable(key):
		return "SSM cannot store the API key: it is longer than 4096 characters, or it contains {{ or }}."
	}
	return ""
}

// badAuth explains why a string cannot be a user and a password. It is empty for a
// good one.
func badAuth(auth string) string {
	switch user, password, _ := strings.Cut(auth, ":"); {
	case auth == "": // the same as not set
	case strings.TrimSpace(auth) != auth:
		return "The auth_string starts or ends with a space or a line break. → use trimspace(…)"
	case user == "" || password == "":
		return "The auth_string is not user:password. → use the value of the server's PREFECT_SERVER_API_AUTH_STRING"
	case strings.ContainsFunc(auth, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "The auth_string contains a control character, which does not reach the agent intact."
	case !storable(auth):
		return "SSM cannot store the auth_string: it is longer than 4096 bytes, or it contains {{ or }}."
	}
	return ""
}

// storable reports whether a standard SSM parameter can hold a value.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
func storable(s string) bool {
	return len(s) <= 4096 && !strings.Contains(s, "{{") && !strings.Contains(s, "}}")
}

// checkCA checks the CA file. It never shows the value, which may be a key.
func (d *decoder) checkCA(p *Prefect) {
	if !d.has(&p.CAFile) || p.CAFile == "" {
		return
	}
	if _, why := certificates(p.CAFile); why != "" {
		d.errorAt(d.given[&p.CAFile].attr.Expr.Range(), "Invalid CA certificate", why)
	}
}

// certificates returns the PEM certificates in a string without the text around
// them, or why there are none.
func certificates(text string) (plain, why string) {
	const remedy = ` → use the content of a file: ca_file = file("ca.pem")`
	if strings.Contains(text, "PRIVATE KEY-----") {
		return "", "It contains a private key, which must not leave your machine." + remedy
	}
	var b bytes.Buffer
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); block.Type != "CERTIFICATE" || err != nil {
			return "", "It contains something that is not a certificate." + remedy
		}
		if err := pem.Encode(&b, &pem.Block{Type: block.Type, Bytes: block.Bytes}); err != nil {
			return "", "It cannot be encoded: " + err.Error()
		}
	}
	if b.Len() == 0 {
		return "", "This is not a PEM certificate." + remedy
	}
	return b.String(), ""
}
