package main

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// redactor is the one place that removes from a text what must not be published:
// account numbers, the caller, ids of keys, addresses, secrets. What it was told is
// removed in every encoding that errors and policies use; what it was not told is
// recognized by its form. It removes too much rather than too little.
type redactor struct {
	mu    sync.Mutex
	known []secret // the longest first
}

type secret struct{ value, label string }

// know adds values and the word that replaces them.
func (r *redactor) know(label string, values ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range values {
		if len(v) < 4 { // too short to be told from other text
			continue
		}
		for _, form := range []string{
			v, url.QueryEscape(v), url.PathEscape(v),
			base64.StdEncoding.EncodeToString([]byte(v)), base64.RawURLEncoding.EncodeToString([]byte(v)),
		} {
			r.known = append(r.known, secret{form, label})
		}
	}
	slices.SortStableFunc(r.known, func(a, b secret) int { return len(b.value) - len(a.value) })
}

type form struct {
	*regexp.Regexp
	with string
}

// forms are what is removed because of how it looks.
var forms = []form{
	{regexp.MustCompile(`(?i)\b(encoded authorization failure message:) *\S+`), "$1 [encoded]"},
	{regexp.MustCompile(`://[^/@\s]+@`), "://[secret]@"},
	{regexp.MustCompile(`(?i)\b(bearer|basic) +[A-Za-z0-9+/=._~-]{8,}`), "$1 [secret]"},
	{regexp.MustCompile(`(?i)\b((?:aws_)?secret_?access_?key|(?:aws_|x-amz-)?(?:session|security)[_-]?token|password|auth_string|api_key)("?\s*[=:]\s*"?)[^\s",}]+`), "$1$2[secret]"},
	{regexp.MustCompile(`\bpn[ubt]_[A-Za-z0-9_-]+`), "[secret]"},
	{regexp.MustCompile(`\b(?:AKIA|ASIA|AROA|AIDA|AGPA|AIPA|ANPA|ANVA|APKA|ABIA|ACCA|ASCA)[A-Z0-9]{12,}`), "[key id]"},
	{regexp.MustCompile(`\b(user|assumed-role|federated-user)/[\w+=,.@/-]+`), "$1/[caller]"},
	{regexp.MustCompile(`(?i)\b(accounts|workspaces|account|workspace)/[0-9a-f]{8}-[0-9a-f-]{27}`), "$1/[id]"},
	{regexp.MustCompile(`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`), "[email]"},
	{regexp.MustCompile(`\b\d{4}[ -]\d{4}[ -]\d{4}\b`), "[account]"},
	{regexp.MustCompile(`\b(?:ip|ec2)-\d{1,3}(?:-\d{1,3}){3}\b`), "[address]"},
	{regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`), "[address]"},
}

var (
	long      = regexp.MustCompile(`[A-Za-z0-9+/=_-]{60,}`)
	digits    = regexp.MustCompile(`\d+`)
	colonized = regexp.MustCompile(`[0-9A-Za-z.%_-]*:[0-9A-Za-z:.%_-]*:[0-9A-Za-z:.%_-]*`)
)

// text returns a text without what must not be published.
func (r *redactor) text(s string) string {
	r.mu.Lock()
	for _, k := range r.known {
		s = strings.ReplaceAll(s, k.value, "["+k.label+"]")
	}
	r.mu.Unlock()
	for _, f := range forms {
		s = f.ReplaceAllString(s, f.with)
	}
	s = long.ReplaceAllStringFunc(s, withoutEncoded)
	s = digits.ReplaceAllStringFunc(s, func(d string) string {
		if len(d) == 12 {
			return "[account]"
		}
		return d
	})
	return colonized.ReplaceAllStringFunc(s, withoutIPv6)
}

// withoutEncoded removes a long word, unless it is a path: no base64 has both characters.
func withoutEncoded(word string) string {
	if !strings.Contains(word, "-") || !strings.Contains(word, "/") {
		return "[long text]"
	}
	parts := strings.Split(word, "/")
	for i, p := range parts {
		if len(p) >= 60 {
			parts[i] = "[long text]"
		}
	}
	return strings.Join(parts, "/")
}

// withoutIPv6 removes an IPv6 address from the end of a word with colons, such as
// "from:2001:db8::1".
func withoutIPv6(word string) string {
	for at := 0; at < len(word); {
		for _, part := range []string{word[at:], strings.TrimRight(word[at:], ".:")} {
			if a, err := netip.ParseAddr(part); err == nil && a.Is6() && len(part) > 4 {
				return word[:at] + "[address]"
			}
		}
		next := strings.IndexByte(word[at:], ':')
		if next < 0 {
			break
		}
		at += next + 1
	}
	return word
}
