package permissions_test

import (
	"strings"

	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// A policy for names such as pr-*, made from that for one environment as docs/ci.md does it, is
// enough for each of them.
func patterned(w *world) {
	const text = "ttl = \"8h\"\nagent {}\nprefect {\napi_url = \"https://prefect.example.com/api\"\napi_key = \"pnu_0123456789\"\n}"
	w.rewrite = strings.NewReplacer("dev", "d*", "StringEquals", "StringLike").Replace
	o := stack.Options{Transport: sandbox.Prefect(w.account)}
	w.must(permissions.Up, text, o)
	w.must(permissions.Hello, text, o)
	o.ForceDestroy = true
	w.must(permissions.Down, text, o)
}
