package view

import (
	"io"
	"time"

	"github.com/flowbed/flowbed/provision/cost"
)

// Build tells what a program was built from. What is not known is empty.
type Build struct {
	Version  string `json:"version"` // without a v; "dev" if it is no release
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty" schema:"date-time"` // of the commit
	Modified bool   `json:"modified,omitempty"`                // the source had changes that were not committed
	Go       string `json:"go"`
	Platform string `json:"platform"` // such as linux/amd64
}

// jsonPrices is the price table.
type jsonPrices struct {
	Date string `json:"date" schema:"date"`
	Age  int    `json:"age_days"`
}

type jsonBuild struct {
	FormatVersion string `json:"format_version" schema:"2"`
	Type          string `json:"type" schema:"build"`
	Build
	Prices jsonPrices `json:"prices"` // the table of prices that estimates use
}

// BuildJSON writes a build as one JSON document.
func BuildJSON(w io.Writer, b Build, now time.Time) error {
	t := cost.Prices()
	return document(w, jsonBuild{FormatVersion, "build", b, jsonPrices{t.Date, t.Age(now)}})
}
