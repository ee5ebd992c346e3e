// Gendoc writes docs/permissions.md from the permissions that the kinds in
// provision/resource declare. Run it in the root of the repository:
//
//	go run ./provision/permissions/gendoc
package main

import (
	"fmt"
	"os"
)

func main() {
	doc, err := render(".")
	if err == nil {
		err = os.WriteFile("docs/permissions.md", doc, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gendoc:", err)
		os.Exit(1)
	}
}
