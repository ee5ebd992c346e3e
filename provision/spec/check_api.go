package spec

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/secret"
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

// checkCloud accepts the public host of the API and the private ones, which PrivateLink reaches.
// https://docs.prefect.io/v3/how-to-guides/cloud/manage-users/secure-access-by-private-link
func (d *decoder) checkCloud(p *Prefect, u *url.URL) {
	const public = "api.prefect.cloud"
	api, host := public, strings.ToLower(u.Host)
	if strings.HasSuffix(host, ".private.prefect.cloud") {
		api = strings.Replace(host, "app", "api", 1) // somebody copied it from the browser
	}
	if u.Scheme == "https" && host == api && cloudPath.matches(u.Path) {
		return
	}
	showable := d.showable(&p.APIURL)
	if !showable {
		api = public
	}
	todo := "use https://" + api + "/api/accounts/<account id>/workspaces/<workspace id>, with the two ids from the address of your workspace in the browser"
	if m := browserPath().FindStringSubmatch(u.Path); m != nil && showable { // here, too
		todo = "use: https://" + api + "/api/accounts/" + m[1] + "/workspaces/" + m[2]
	}
	d.bad(&p.APIURL, "Invalid API URL", "%s does not name a Prefect Cloud account and workspace. → %s", todo)
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && (addr.IsLoopback() || addr.IsUnspecified())
}

// secretField is one of the attributes that can say the API's secret.
type secretField struct {
	field *string
	name  string
	basic bool // it is a user and password
}

func (p *Prefect) secretFields() []secretField {
	return []secretField{
		{&p.APIKey, "api_key", false}, {&p.APIKeyFrom, "api_key_from", false},
		{&p.AuthString, "auth_string", true}, {&p.AuthStringFrom, "auth_string_from", true},
	}
}

// HasSecret reports whether the API requires a secret.
func (p *Prefect) HasSecret() bool {
	return slices.ContainsFunc(p.secretFields(), func(s secretField) bool { return *s.field != "" })
}

// Basic reports whether the API's secret is a user and password.
func (p *Prefect) Basic() bool { return p.AuthString != "" || p.AuthStringFrom != "" }

// SecretFrom returns where a secret that exists is, and the attribute that says so. Both are
// empty if there is none.
func (p *Prefect) SecretFrom() (from, attribute string) {
	switch {
	case p.APIKeyFrom != "":
		return p.APIKeyFrom, "api_key_from"
	case p.AuthStringFrom != "":
		return p.AuthStringFrom, "auth_string_from"
	}
	return "", ""
}

// checkSecrets checks the API's secret. It never shows it.
func (d *decoder) checkSecrets(p *Prefect, kind prefect.Kind, cloud bool) {
	d.checkOneSecret(p, kind, cloud)
	if d.has(&p.APIKey) {
		d.checkSecret(&p.APIKey, "API key", "api_key", badKeyText(p.APIKey, cloud))
	}
	if d.has(&p.AuthString) {
		d.checkSecret(&p.AuthString, "auth_string", "auth_string", badAuth(p.AuthString))
	}
	for _, s := range p.secretFields() {
		if kind == prefect.Agent1 && !s.basic && d.has(s.field) && *s.field != "" {
			d.warnAt(d.given[s.field].attr.Expr.Range(), "Key in plain text",
				"A Prefect 1 agent copies the key into the environment of every task, and anybody who may describe the tasks can read it there. → leave it out for a Prefect Server, which does not need one")
		}
		if strings.HasSuffix(s.name, "_from") {
			d.checkFrom(s)
		}
	}
}

// checkOneSecret checks which of the attributes are there.
func (d *decoder) checkOneSecret(p *Prefect, kind prefect.Kind, cloud bool) {
	var written []secretField
	for _, s := range p.secretFields() {
		if d.written(s.field) && (kind != prefect.Agent1 || !s.basic) { // checkPrefect has reported the others
			written = append(written, s)
		}
	}
	switch {
	case len(written) > 1 && written[0].name == "api_key" && written[1].name == "auth_string":
		d.refuse(written[1].field, "Two secrets", "The block sets both api_key, for Prefect Cloud, and auth_string, for your own server. → remove one of them")
	case len(written) > 1:
		last := written[len(written)-1]
		d.refuse(last.field, "Two secrets", fmt.Sprintf("The block sets both %s and %s, and the API has one secret. → remove one of them", written[0].name, last.name))
	case len(written) == 1 && written[0].basic && cloud:
		d.refuse(written[0].field, written[0].name+" with Prefect Cloud", "Prefect Cloud does not support auth_string. → use api_key")
	case len(written) == 0 && cloud && !d.misspells(d.blocks[p], "api_key"):
		d.errorAt(d.blockOf(p).DefRange(), "Missing attribute", "Prefect Cloud requires an API key. → add api_key = var.api_key to the prefect block, and variable \"api_key\" { sensitive = true } to the file")
	}
}

// looksLikeKey matches the keys of Prefect Cloud.
var looksLikeKey = compile(`^pn[a-z]_`)

// checkFrom checks what names a secret that exists. Somebody may have written the secret
// itself there, so a message shows only what is an ARN.
func (d *decoder) checkFrom(s secretField) {
	if !d.has(s.field) || *s.field == "" {
		return
	}
	at, text := d.given[s.field].attr.Expr.Range(), *s.field
	switch {
	case looksLikeKey.matches(text):
		d.file.hidden.add(text)
		d.errorAt(at, "Secret in the file", fmt.Sprintf(
			"%s names a secret in AWS, and this is an API key itself. → put it into an SSM parameter and write its name here, or use api_key with a sensitive variable", s.name))
	case strings.HasPrefix(text, "arn:"):
		if _, err := secret.Parse(text); err != nil {
			d.errorAt(at, "Invalid "+s.name, title("it "+badRef(text, err, d.showable(s.field))))
		}
	case !secret.IsName(text):
		d.file.hidden.add(text)
		d.errorAt(at, "Invalid "+s.name, "The value is neither the name or ARN of an SSM parameter nor the ARN of a secret in Secrets Manager."+refExample)
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
