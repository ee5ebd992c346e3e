package moto

import (
	"encoding/json"
	"net/http"
)

// putRule ignores the tags of a rule that exists, as EventBridge does; moto would set them.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
func putRule(f *Front, r request) (answer, error) {
	var in map[string]any
	if err := json.Unmarshal(r.body, &in); err != nil {
		return answer{}, err
	}
	if in["Tags"] == nil {
		return f.pass(r)
	}
	a, err := f.other(r, "AWSEvents.DescribeRule", map[string]any{"Name": in["Name"]})
	if err != nil {
		return a, err
	}
	if a.status == http.StatusOK {
		delete(in, "Tags")
	}
	return f.other(r, r.Header.Get("X-Amz-Target"), in)
}
