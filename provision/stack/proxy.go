package stack

import (
	"cmp"
	"strings"

	"github.com/flowbed/flowbed/provision/spec"
)

// proxies are those through which a program calls.
type proxies struct {
	http, https string // by the scheme of the URL that it calls
	except      []string
}

// proxiesIn are the proxies that environment variables name. Prefect's client prefers lower case.
// https://www.python-httpx.org/environment_variables/
func proxiesIn(env map[string]string) proxies {
	get := func(name string) string { return cmp.Or(env[name], env[strings.ToUpper(name)]) }
	all := get("all_proxy")
	return proxies{cmp.Or(get("http_proxy"), all), cmp.Or(get("https_proxy"), all), spec.Exceptions(get("no_proxy"))}
}

// agentProxies is the one proxy of the agent, if it has one.
func agentProxies(env *spec.Environment) proxies {
	p := agentProxy(env)
	if p == nil {
		return proxies{}
	}
	return proxies{p.URL, p.URL, p.Except}
}

// of is the proxy for a URL; empty if the program calls it without one.
func (p proxies) of(url string) string {
	host := "." + at("", url).Host
	for _, e := range p.except {
		if e == "*" || strings.HasSuffix(host, "."+strings.TrimPrefix(strings.ToLower(e), ".")) {
			return ""
		}
	}
	if strings.HasPrefix(strings.ToLower(url), "http:") {
		return p.http
	}
	return p.https
}
