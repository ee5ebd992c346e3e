// Gendoc writes docs/schemas, the JSON Schemas of all JSON output, from the structs in
// provision/view. Run it in the root of the repository:
//
//	go run ./provision/view/gendoc
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	files, err := schemas(".")
	for name, text := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gendoc:", err)
		os.Exit(1)
	}
}
