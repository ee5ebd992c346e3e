package spec

import (
	"net/url"
	"slices"
	"strings"
)

// checkProxy checks the proxy of the agent. It never shows a password in its URL.
func (d *decoder) checkProxy(a *Agent) {
	if !d.has(&a.Proxy) {
		return
	}
	const example = ` → use, for example, "http://proxy.example.com:3128"`
	u, err := url.Parse(a.Proxy)
	switch {
	case err == nil && u.User != nil:
		d.errorAt(d.given[&a.Proxy].attr.Expr.Range(), "Password in user data", "The URL contains a user name or a password, and whoever may describe the instance can read its user data. "+
			"→ use a proxy that knows its clients by their address, and remove them")
	case err != nil || !proxyURL.matches(a.Proxy) || !validPort(u):
		d.bad(&a.Proxy, "Invalid proxy", "%s is not the URL of an HTTP proxy."+example)
	case loopback(u.Hostname()):
		d.bad(&a.Proxy, "Invalid proxy", "%s is the instance itself, where no proxy runs."+example)
	}
	for name, value := range a.Env {
		bad := slices.ContainsFunc(Exceptions(value), func(e string) bool { return !exception.matches(e) })
		if strings.ToUpper(name) == "NO_PROXY" && bad {
			d.errorAt(d.keyRange(d.given[&a.Env], name), "Invalid environment variable",
				`NO_PROXY is a list of hosts, and of domains that begin with a dot. → use, for example, "prefect.example.com,.internal"`)
		}
	}
}

// checkIndex checks the URL of the package index.
func (d *decoder) checkIndex(a *Agent) {
	if !d.has(&a.PipIndexURL) {
		return
	}
	const example = ` → use, for example, "https://packages.example.com/simple"`
	u, err := url.Parse(a.PipIndexURL)
	switch {
	case err == nil && u.User != nil:
		d.errorAt(d.given[&a.PipIndexURL].attr.Expr.Range(), "Password in user data", "The URL contains a user name or a password, and whoever may describe the instance can read its user data. "+
			"→ use an index that is open to the instance, and remove them; or write /root/.config/pip/pip.conf in a setup script that reads the password from Parameter Store")
	case err == nil && u.Scheme == "http":
		d.bad(&a.PipIndexURL, "Invalid package index", "%s is not encrypted, and pip ignores such an index."+example)
	case err != nil || !indexURL.matches(a.PipIndexURL) || !validPort(u):
		d.bad(&a.PipIndexURL, "Invalid package index", "%s is not the URL of a package index."+example)
	case loopback(u.Hostname()):
		d.bad(&a.PipIndexURL, "Invalid package index", "%s is the instance itself, where there is no index."+example)
	}
}

var (
	indexURL  = compile(`^https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[A-Za-z0-9._~%/+-]*)?$`)
	proxyURL  = compile(`^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?/?$`)
	exception = compile(`^[A-Za-z0-9.*:_/-]+$`)
)

func validPort(u *url.URL) bool {
	n := u.Port()
	return n == "" || len(n) <= 5 && n != "0" && (len(n) < 5 || n <= "65535")
}

// Exceptions are the elements of NO_PROXY.
func Exceptions(list string) (all []string) {
	for e := range strings.SplitSeq(list, ",") {
		if e = strings.TrimSpace(e); e != "" {
			all = append(all, e)
		}
	}
	return all
}

// checkBorrowedGroups reports what needs a security group of flowbed's, if the file names
// others.
func (d *decoder) checkBorrowedGroups(e *Environment) {
	if len(e.Network.SecurityGroups) == 0 {
		return
	}
	if e.TaskRole.Dask && d.has(&e.TaskRole.Dask) {
		d.warnAt(d.given[&e.TaskRole.Dask].attr.Expr.Range(), "Groups of others",
			"The workers of a Dask cluster connect to each other, and flowbed does not change the groups in security_groups. → check that the members of one of them may reach each other")
	}
	if e.Agent == nil || e.Agent.SSH == nil {
		return
	}
	for _, field := range []any{&e.Agent.SSH.CIDR, &e.Agent.SSH.AllowWorld} {
		if d.written(field) {
			d.errorAt(d.given[field].attr.Expr.Range(), "No effect",
				"flowbed does not change the groups in security_groups, so it opens no port for SSH. → leave this out, and open the port in one of the groups")
		}
	}
}
