package spec

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// EnvironmentNames are the names of the environments in a file, without the patterns and without
// names that none can have, also if the file has mistakes. It is empty for a file that cannot be read.
func EnvironmentNames(path string) (names []string) {
	src, err := readFile(path)
	if err != nil {
		return nil
	}
	parsed, _ := parseHCL(src, path, &meter{})
	if parsed == nil {
		return nil
	}
	body, ok := parsed.Body.(*hclsyntax.Body)
	if !ok {
		return nil
	}
	for _, b := range body.Blocks {
		if b.Type == "environment" && len(b.Labels) == 1 && environmentName.matches(b.Labels[0]) {
			names = append(names, b.Labels[0])
		}
	}
	return names
}
