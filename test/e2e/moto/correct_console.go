package moto

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
)

// consoleOutput returns what [Front.Console] returns.
func consoleOutput(f *Front, r request) (answer, error) {
	form, err := url.ParseQuery(string(r.body))
	if f.Console == nil || err != nil {
		return f.pass(r)
	}
	var id strings.Builder
	if err := xml.EscapeText(&id, []byte(form.Get("InstanceId"))); err != nil {
		return answer{}, err
	}
	text := base64.StdEncoding.EncodeToString([]byte(f.Console(form.Get("InstanceId"))))
	return answer{status: http.StatusOK, header: http.Header{"Content-Type": {"text/xml"}}, body: []byte(
		`<GetConsoleOutputResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>corrected</requestId><instanceId>` +
			id.String() + `</instanceId><timestamp>2026-01-01T00:00:00.000Z</timestamp><output>` + text +
			`</output></GetConsoleOutputResponse>`)}, nil
}

// managedInstances knows no instance: on the machines of the tests no SSM agent runs. moto
// does not have this operation.
func managedInstances(*Front, request) (answer, error) {
	return answer{
		status: http.StatusOK, header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		body: []byte(`{"InstanceInformationList":[]}`),
	}, nil
}
