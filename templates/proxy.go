package templates

import (
	"slices"
	"strings"
)

// Proxy says through which HTTP proxy the agent calls others.
type Proxy struct {
	URL    string
	Except []string // hosts that it calls directly, besides those of Direct
}

// Direct are the addresses that no proxy can reach for an agent: the machine itself, and those
// where EC2 and ECS give it its credentials.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint.html
var Direct = []string{"localhost", "127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "169.254.170.2"}

// Settings are the environment variables by which programs know the proxy.
func (p *Proxy) Settings() []Setting {
	if p == nil {
		return nil
	}
	except := slices.Clone(Direct)
	for _, host := range p.Except {
		if !slices.Contains(except, host) {
			except = append(except, host)
		}
	}
	return []Setting{{"HTTP_PROXY", p.URL}, {"HTTPS_PROXY", p.URL}, {"NO_PROXY", strings.Join(except, ",")}}
}

// proxyFile has the settings also in lower case, which is the only spelling of http_proxy
// that curl reads.
const proxyFile = "/etc/flowbed/proxy.env"

// proxy renders the part that makes the setup and the agent of Systems Manager use the proxy.
func (r *renderer) proxy(p *Proxy) string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	for _, s := range p.Settings() {
		b.WriteString(s.Name + "=" + envQuote(s.Value) + "\n" + strings.ToLower(s.Name) + "=" + envQuote(s.Value) + "\n")
	}
	return r.text("proxy.sh", map[string]string{"file": r.heredoc(proxyFile, b.String())})
}
