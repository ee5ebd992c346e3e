package view

import (
	"encoding/json"
	"io"
)

type jsonConfig struct {
	FormatVersion string          `json:"format_version" schema:"2"`
	Type          string          `json:"type" schema:"show"`
	Environment   string          `json:"environment"`
	Config        json.RawMessage `json:"config"` // the attributes and blocks of the environment block (docs/spec.md)
}

// ConfigJSON writes a config as one JSON document.
func ConfigJSON(w io.Writer, environment string, config json.RawMessage) error {
	return document(w, jsonConfig{FormatVersion, "show", environment, config})
}
