package resource

import (
	"regexp"
	"strings"
	"testing"
)

// TestAPITag: what AWS accepts in a tag, and nothing that may be a secret.
func TestAPITag(t *testing.T) {
	accepted := regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,256}$`)
	for _, api := range []string{
		"https://api.prefect.cloud/api/accounts/0b0c0d0e-1111-2222-3333-444455556666/workspaces/0b0c0d0e-1111-2222-3333-444455557777",
		"http://[2001:db8::1]:4200/api", "https://prefect.example.com/a%20b/~ada,team/api", "https://bücher.example/api", "http://x/=41",
	} {
		tag, ok := apiTag(api)
		if back := taggedAPI(Tags{KeyPrefectAPI: tag}); !ok || back != api || !accepted.MatchString(tag) {
			t.Errorf("%s: %q, %v, then %q", api, tag, ok, back)
		}
	}
	if tag, ok := apiTag("http://x/api/"); !ok || tag != "http://x/api" {
		t.Errorf("a slash at the end: %q, %v", tag, ok)
	}
	for _, api := range []string{
		"", "http://ada:secret@x/api", "http://ada@x/api", "http://x/api?key=secret", "http://x/api#secret", "x/api", "http://x/" + strings.Repeat("a", 250),
	} {
		if tag, ok := apiTag(api); ok {
			t.Errorf("%s is recorded as %q", api, tag)
		}
	}
	if tags := APITags("http://ada:secret@x/api", true); len(tags) > 0 {
		t.Errorf("tags of a URL with a password: %v", tags)
	}
}
