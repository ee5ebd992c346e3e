// Gendoc writes docs/spec.md, the reference of config.hcl, from the comments of
// the structs in provision/spec/spec.go. Run it in the root of the repository:
//
//	go run ./provision/spec/gendoc
package main

import (
	"fmt"
	"os"
)

func main() {
	doc, err := render(".")
	if err == nil {
		err = os.WriteFile("docs/spec.md", doc, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gendoc:", err)
		os.Exit(1)
	}
}
