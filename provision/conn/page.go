package conn

import (
	"bytes"
	"html"
	"regexp"
	"strings"
)

// peeked is how much of a reply IsPage needs.
const peeked = 2048

var (
	pageStart = regexp.MustCompile(`(?is)^(?:\xef\xbb\xbf)?(?:\s|<!--.*?-->|<\?xml[^>]*>)*<(?:!doctype\s+html|html|head|body)\b`)
	pageTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
)

// IsPage reports whether a reply is a web page. Its type does not tell: some servers send
// everything as text/html.
func IsPage(body []byte) bool { return pageStart.Match(body[:min(len(body), peeked)]) }

// Page describes a web page by its title.
func Page(body []byte) string {
	m := pageTitle.FindSubmatch(body[:min(len(body), peeked)])
	if m == nil {
		return "a web page (HTML)"
	}
	title := strings.Join(strings.Fields(html.UnescapeString(string(bytes.ToValidUTF8(m[1], nil)))), " ")
	if r := []rune(title); len(r) > 60 {
		title = string(r[:60]) + "…"
	}
	if title == "" {
		return "a web page (HTML)"
	}
	return `a web page (HTML) with the title "` + title + `"`
}
