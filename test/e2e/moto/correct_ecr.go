package moto

import "encoding/json"

// putScanning spells out what the SDK leaves out: to AWS, a configuration without
// scanOnPush turns scanning off; moto ignores an empty one.
func putScanning(f *Front, r request) (answer, error) {
	var in map[string]any
	if err := json.Unmarshal(r.body, &in); err != nil {
		return answer{}, err
	}
	scanning, _ := in["imageScanningConfiguration"].(map[string]any)
	if scanning == nil {
		return f.pass(r)
	}
	if scanning["scanOnPush"] == nil {
		scanning["scanOnPush"] = false
	}
	body, err := json.Marshal(in)
	if err != nil {
		return answer{}, err
	}
	return f.send(r.Request, r.Method, r.URL.RequestURI(), r.Header, body)
}
