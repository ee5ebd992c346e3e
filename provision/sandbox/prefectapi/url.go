package prefectapi

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// cloudHost is the host of Prefect Cloud's API.
const cloudHost = "api.prefect.cloud"

var cloudRoot = regexp.MustCompile(`^/api/accounts/[^/]+/workspaces/[^/]+`)

// split splits the URL of a call into the API's root, which identifies the API, and the
// path below it. The path of a call to Prefect 1, which answers at the root of its host,
// is empty. split reports false if there can be no API at the URL.
func split(u *url.URL) (root, path string, ok bool) {
	host := strings.ToLower(u.Scheme + "://" + u.Host)
	if cloud(u) {
		root = cloudRoot.FindString(u.Path)
		return host + root, strings.TrimPrefix(u.Path, root), root != ""
	}
	before, after, found := strings.Cut(u.Path+"/", "/api/")
	switch {
	case found:
		return host + before + "/api", "/" + strings.TrimSuffix(after, "/"), true
	case strings.Trim(u.Path, "/") == "":
		return host, "", true
	}
	return "", "", false
}

// cloud reports whether a URL is Prefect Cloud's, also through PrivateLink.
func cloud(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	return host == cloudHost || strings.HasSuffix(host, ".private.prefect.cloud")
}

// nowhere reports whether a host has no address. The top-level domain .invalid exists
// for that: https://www.rfc-editor.org/rfc/rfc6761#section-6.4
func nowhere(host string) bool {
	return strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".invalid")
}

// loopback reports whether a host is the machine that calls it.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && (a.IsLoopback() || a.IsUnspecified())
}
