package moto

import "encoding/json"

// readParameter reads the parameter that [Front.Parameter] names instead.
func readParameter(f *Front, r request) (answer, error) {
	var in map[string]any
	if f.Parameter == nil || json.Unmarshal(r.body, &in) != nil {
		return f.pass(r)
	}
	if name, ok := in["Name"].(string); ok {
		in["Name"] = f.Parameter(key(r.Request), name)
	}
	body, err := json.Marshal(in)
	if err != nil {
		return answer{}, err
	}
	return f.send(r.Request, r.Method, r.URL.RequestURI(), r.Header, body)
}
