package view

import "io"

// Build tells what a program was built from. What is not known is empty.
type Build struct {
	Version  string `json:"version"` // without a v; "dev" if it is no release
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"` // of the commit, in RFC 3339
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"` // such as linux/amd64
}

type jsonBuild struct {
	FormatVersion string `json:"format_version"`
	Type          string `json:"type"`
	Build
}

// BuildJSON writes a build as one JSON document.
func BuildJSON(w io.Writer, b Build) error {
	return document(w, jsonBuild{FormatVersion, "build", b})
}
