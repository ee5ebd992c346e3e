package view

import "io"

// Problem is a mistake in the config file, or a warning about it.
type Problem struct {
	Severity string `json:"severity" schema:"error|warning"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail"`
	Hint     string `json:"hint,omitempty"` // what to do
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`   // from 1
	Column   int    `json:"column,omitempty"` // from 1
}

// Validation is what validate has found in a config file.
type Validation struct {
	Config       string    `json:"config"` // the file
	Valid        bool      `json:"valid"`
	Environments []string  `json:"environments"` // those that were checked; empty if the file is not valid
	Problems     []Problem `json:"problems"`
}

type jsonValidation struct {
	FormatVersion string `json:"format_version" schema:"2"`
	Type          string `json:"type" schema:"validation"`
	Validation
}

// ValidationJSON writes what validate has found as one JSON document.
func ValidationJSON(w io.Writer, v Validation) error {
	if v.Environments == nil {
		v.Environments = []string{}
	}
	if v.Problems == nil {
		v.Problems = []Problem{}
	}
	return document(w, jsonValidation{FormatVersion, "validation", v})
}
