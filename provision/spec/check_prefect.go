package spec

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const uuid = `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`

var (
	cloudPath   = compile(`^/api/accounts/` + uuid + `/workspaces/` + uuid + `/?$`)
	browserPath = compile(`^/account/(` + uuid + `)/workspace/(` + uuid + `)(/|$)`)
	version     = compile(`^(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$`)

	// The pool's name goes into the task definition's family, prefect_<pool>_<uuid>,
	// for which ECS has 255 of these characters.
	poolName = compile(`^[A-Za-z0-9_-]{1,210}$`)
)

func (d *decoder) checkPrefect(p *Prefect) {
	if d.has(&p.Version) {
		if why := badVersion(p.Version); why != "" {
			d.bad(&p.Version, "Unsupported Prefect version", "%s "+why)
		}
	}
	if d.has(&p.WorkPool) {
		switch {
		case !poolName.matches(p.WorkPool):
			d.bad(&p.WorkPool, "Bad work pool name", "%s is no name for a work pool. Use up to 210 letters, digits, hyphens and underscores: ECS takes no others in the names of the pool's tasks.")
		case strings.HasPrefix(strings.ToLower(p.WorkPool), "prefect"):
			d.bad(&p.WorkPool, "Bad work pool name", `%s begins with "prefect", which Prefect keeps for pools of its own. Choose another name.`)
		}
	}
	cloud := d.has(&p.APIURL) && d.checkURL(p)
	d.checkKey(p, cloud)
}

// badVersion says why an agent cannot run a version, or nothing.
func badVersion(v string) string {
	m := version().FindStringSubmatch(v)
	if m == nil {
		return "is no exact version. Write all three numbers, for example \"" + DefaultPrefectVersion + "\": an agent that is replaced must come back the same."
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	patch, _ := strconv.Atoi(m[3])
	switch {
	case major == 3, major == 2 && minor >= 19:
		return ""
	case major == 2:
		return "is too old: its workers do not know what flowbed needs. Use 2.19.0 or later, or Prefect 3."
	case major == 0 && minor >= 14, major == 1 && (minor < 4 || minor == 4 && patch <= 1):
		return "is Prefect 1, whose agents flowbed does not start. Use Prefect 3."
	case major < 2:
		return "is no version of Prefect that can run on ECS. Use Prefect 3."
	}
	return "is newer than flowbed knows. Use Prefect 3."
}

// checkURL reports whether the API is Prefect Cloud's.
func (d *decoder) checkURL(p *Prefect) (cloud bool) {
	const example = ` Use for example "https://prefect.example.com/api".`
	u, err := url.Parse(p.APIURL)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		d.bad(&p.APIURL, "Bad API URL", "%s is no absolute URL."+example)
		return false
	case u.User != nil:
		d.errorAt(d.given[&p.APIURL].attr.Expr.Range(), "Bad API URL", "The URL holds a user name or a password, and it is shown in plans. Remove them.")
		return false
	case u.RawQuery != "" || u.Fragment != "":
		d.bad(&p.APIURL, "Bad API URL", "%s has something after its path. Remove it."+example)
		return false
	}
	if host := strings.ToLower(u.Hostname()); host == "prefect.cloud" || strings.HasSuffix(host, ".prefect.cloud") {
		d.checkCloud(p, u)
		return true
	}
	d.warnURL(p, u)
	return false
}

// warnURL warns of addresses that a server can have, but an agent cannot reach.
func (d *decoder) warnURL(p *Prefect, u *url.URL) {
	at := d.given[&p.APIURL].attr.Expr.Range()
	switch {
	case local(u.Hostname()):
		d.warnAt(at, "API on this machine", "The agent and its tasks run in AWS, where this address means their own machine. Use an address that they can reach.")
	case u.Path == "" || u.Path == "/":
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

// checkKey checks the API key without ever showing it.
func (d *decoder) checkKey(p *Prefect, cloud bool) {
	if !d.written(&p.APIKey) {
		if b := d.blocks[p]; cloud && !d.meant[meant{b.Body, "api_key"}] {
			d.errorAt(b.DefRange(), "Missing attribute", "Prefect Cloud needs an API key. Add api_key = var.api_key to the prefect block, and to the file: variable \"api_key\" { sensitive = true }")
		}
		return
	}
	if !d.has(&p.APIKey) {
		return
	}
	at := d.given[&p.APIKey].attr.Expr.Range()
	if why := badSecret(p.APIKey, cloud); why != "" {
		d.errorAt(at, "Bad API key", why)
		return
	}
	if d.given[&p.APIKey].open && p.APIKey != "" {
		d.warnAt(at, "Secret in the file", fmt.Sprintf(
			"The API key stands in %s, where everybody can read it who has the file. Use a sensitive variable: variable \"api_key\" { sensitive = true }", at.Filename))
	}
}

// badSecret says why a text cannot be a key. SSM's standard parameters hold
// 4 KiB and no "{{", and a line break would not survive the way to the agent.
func badSecret(key string, needed bool) string {
	switch {
	case key == "" && needed:
		return "The API key is empty. Prefect Cloud needs one."
	case strings.TrimSpace(key) != key:
		return "The API key has spaces or line breaks around it. Use trimspace(…)."
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "The API key has characters that no key has: spaces, line breaks, or something outside ASCII."
	case len(key) > 4096, strings.Contains(key, "{{"), strings.Contains(key, "}}"):
		return "The API key cannot be stored: it is longer than 4096 characters, or it has {{ or }} in it."
	}
	return ""
}
