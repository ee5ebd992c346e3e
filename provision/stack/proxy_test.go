package stack

import "testing"

func TestProxyOf(t *testing.T) {
	const one, two, api = "http://10.0.0.1:3128", "http://10.0.0.2:3128", "prefect.corp.example/api"
	for _, c := range []struct {
		name string
		env  map[string]string
		url  string
		want string
	}{
		{"none", nil, "https://" + api, ""},
		{"by the scheme", map[string]string{"HTTP_PROXY": one, "HTTPS_PROXY": two}, "http://" + api, one},
		{"by the other scheme", map[string]string{"HTTP_PROXY": one, "HTTPS_PROXY": two}, "https://" + api, two},
		{"of the other scheme alone", map[string]string{"HTTPS_PROXY": two}, "http://" + api, ""},
		{"of all", map[string]string{"ALL_PROXY": one}, "http://" + api, one},
		{"lower case first", map[string]string{"HTTPS_PROXY": one, "https_proxy": two}, "https://" + api, two},
		{"the host is excepted", map[string]string{"HTTPS_PROXY": one, "NO_PROXY": "other.example, Prefect.corp.example"}, "https://" + api, ""},
		{"its domain is", map[string]string{"HTTPS_PROXY": one, "no_proxy": ".corp.example"}, "https://" + api, ""},
		{"a domain without a dot is", map[string]string{"HTTPS_PROXY": one, "NO_PROXY": "corp.example"}, "https://" + api, ""},
		{"the end of a name is not", map[string]string{"HTTPS_PROXY": one, "NO_PROXY": "orp.example"}, "https://" + api, one},
		{"everything is", map[string]string{"HTTPS_PROXY": one, "NO_PROXY": "*"}, "https://" + api, ""},
	} {
		if have := proxiesIn(c.env).of(c.url); have != c.want {
			t.Errorf("%s: have %q, want %q", c.name, have, c.want)
		}
	}
}
