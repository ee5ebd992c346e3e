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

// checkURL reports whether the API is Prefect Cloud's.
func (d *decoder) checkURL(p *Prefect, kind prefect.Kind) (cloud bool) {
	example := ` Use for example "https://prefect.example.com/api".`
	if kind == prefect.Agent1 {
		example = ` Use for example "http://prefect.example.com:4200".`
	}
	u, err := url.Parse(p.APIURL)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		d.bad(&p.APIURL, "Bad API URL", "%s is no absolute URL."+example)
		return false
	case u.User != nil:
		d.errorAt(d.given[&p.APIURL].attr.Expr.Range(), "Bad API URL", "The URL holds a user name or a password, and it is shown in plans. Remove them, and use auth_string if the server asks for them.")
		return false
	case u.RawQuery != "" || u.Fragment != "":
		d.bad(&p.APIURL, "Bad API URL", "%s has something after its path. Remove it."+example)
		return false
	}
	host := strings.ToLower(u.Hostname())
	switch isCloud := host == "prefect.cloud" || strings.HasSuffix(host, ".prefect.cloud"); {
	case isCloud && kind == prefect.Agent1:
		d.bad(&p.APIURL, "Prefect Cloud with Prefect 1", "%s is Prefect Cloud, which does not serve Prefect 1. Use the address of a Prefect Server, or Prefect 3.")
	case isCloud:
		d.checkCloud(p, u)
		return true
	}
	d.warnURL(p, u, kind)
	return false
}

// warnURL warns of addresses that a server can have, but an agent cannot reach.
func (d *decoder) warnURL(p *Prefect, u *url.URL, kind prefect.Kind) {
	at := d.given[&p.APIURL].attr.Expr.Range()
	path := strings.Trim(u.Path, "/")
	switch {
	case local(u.Hostname()):
		d.warnAt(at, "API on this machine", "The agent and its tasks run in AWS, where this address means their own machine. Use an address that they can reach.")
	case kind == prefect.Agent1 && path == "api":
		d.warnAt(at, "API URL with a path", "A Server of Prefect 1 answers at its root. The URL probably ends before /api.")
	case kind != prefect.Agent1 && path == "":
		d.warnAt(at, "API URL without a path", "A Prefect server answers below /api. The URL probably ends with it.")
	}
}

func (d *decoder) checkCloud(p *Prefect, u *url.URL) {
	if u.Scheme == "https" && strings.EqualFold(u.Host, "api.prefect.cloud") && cloudPath.matches(u.Path) {
		return
	}
	want := "https://api.prefect.cloud/api/accounts/<account id>/workspaces/<workspace id>"
	if m := browserPath().FindStringSubmatch(u.Path); m != nil && d.given[&p.APIURL].open { // copied from the browser
		want = "https://api.prefect.cloud/api/accounts/" + m[1] + "/workspaces/" + m[2]
	}
	d.bad(&p.APIURL, "Bad API URL", "%s does not name an account and a workspace of Prefect Cloud. Use: %s", want)
}

func local(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && (addr.IsLoopback() || addr.IsUnspecified())
}

// checkSecrets checks the API's secret without ever showing it.
func (d *decoder) checkSecrets(p *Prefect, kind prefect.Kind, cloud bool) {
	key, auth := d.written(&p.APIKey), d.written(&p.AuthString)
	switch {
	case auth && kind == prefect.Agent1: // refused already
	case key && auth:
		d.refuse(&p.AuthString, "Two secrets", "An API takes either api_key, as Prefect Cloud does, or auth_string, as a server of your own does. Remove one of them.")
	case auth && cloud:
		d.refuse(&p.AuthString, "User and password with Prefect Cloud", "Prefect Cloud knows no auth_string. Use api_key.")
	case !key && cloud:
		if b := d.blocks[p]; !d.meant[meant{b.Body, "api_key"}] {
			d.errorAt(b.DefRange(), "Missing attribute", "Prefect Cloud needs an API key. Add api_key = var.api_key to the prefect block, and to the file: variable \"api_key\" { sensitive = true }")
		}
	}
	if d.has(&p.APIKey) {
		d.checkSecret(&p.APIKey, "API key", "api_key", badKeyText(p.APIKey, cloud))
		if kind == prefect.Agent1 && p.APIKey != "" {
			d.warnAt(d.given[&p.APIKey].attr.Expr.Range(), "Key in the clear",
				"Agents of Prefect 1 copy the key into the environment of each task, where it can be read by everybody who may describe the tasks. A Prefect Server needs none.")
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
		d.errorAt(at, "Bad "+what, why)
	case g.open && *field != "":
		d.warnAt(at, "Secret in the file", fmt.Sprintf(
			"The %s stands in %s, where everybody can read it who has the file. Use a sensitive variable: variable %q { sensitive = true }", what, at.Filename, name))
	}
}

// badKeyText says why a text cannot be a key, or nothing.
func badKeyText(key string, needed bool) string {
	switch {
	case key == "" && needed:
		return "The API key is empty. Prefect Cloud needs one."
	case strings.TrimSpace(key) != key:
		return "The API key has spaces or line breaks around it. Use trimspace(…)."
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "The API key has characters that no key has: spaces, line breaks, or something outside ASCII."
	case !storable(key):
		return "The API key cannot be stored: it is longer than 4096 characters, or it has {{ or }} in it."
	}
	return ""
}

// badAuth says why a text cannot be a user and a password, or nothing.
func badAuth(auth string) string {
	switch user, password, _ := strings.Cut(auth, ":"); {
	case auth == "": // as if it were not there
	case strings.TrimSpace(auth) != auth:
		return "The auth_string has spaces or line breaks around it. Use trimspace(…)."
	case user == "" || password == "":
		return "An auth_string is a user and a password with a colon between them, as in the server's PREFECT_SERVER_API_AUTH_STRING."
	case strings.ContainsFunc(auth, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "The auth_string has a control character in it, which would not survive the way to the agent."
	case !storable(auth):
		return "The auth_string cannot be stored: it is longer than 4096 bytes, or it has {{ or }} in it."
	}
	return ""
}

// storable has the rules of SSM's standard parameters.
func storable(s string) bool {
	return len(s) <= 4096 && !strings.Contains(s, "{{") && !strings.Contains(s, "}}")
}

// checkCA never shows the value: it may be a key.
func (d *decoder) checkCA(p *Prefect) {
	if !d.has(&p.CAFile) || p.CAFile == "" {
		return
	}
	if _, why := certificates(p.CAFile); why != "" {
		d.errorAt(d.given[&p.CAFile].attr.Expr.Range(), "Bad CA", why)
	}
}

// certificates are those of a text, without what stands around them, or else
// why cannot say more than that there are none.
func certificates(text string) (plain, why string) {
	const remedy = ` Give the content of a file: ca_file = file("ca.pem")`
	if strings.Contains(text, "PRIVATE KEY-----") {
		return "", "There is a private key in it, which must not leave your machine." + remedy
	}
	var b bytes.Buffer
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); block.Type != "CERTIFICATE" || err != nil {
			return "", "Not everything in it is a certificate." + remedy
		}
		if err := pem.Encode(&b, &pem.Block{Type: block.Type, Bytes: block.Bytes}); err != nil {
			return "", "It cannot be written again: " + err.Error()
		}
	}
	if b.Len() == 0 {
		return "", "This is no certificate in PEM." + remedy
	}
	return b.String(), ""
}
