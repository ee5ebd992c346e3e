package faultproxy

import (
	"fmt"
	"net/http"

	"github.com/flowbed/flowbed/test/faultmatrix"
)

// refusal is how a service says something.
type refusal struct {
	status int
	code   string
}

// The services' words for "too many calls" and for "our fault"; those under the
// empty name are for all other services that speak JSON.
var words = map[faultmatrix.Fault]map[string]refusal{
	faultmatrix.Throttled: {
		"ec2": {503, "RequestLimitExceeded"}, "iam": {400, "Throttling"}, "s3": {503, "SlowDown"},
		"ecs": {400, "ThrottlingException"}, "ssm": {400, "ThrottlingException"}, "logs": {400, "ThrottlingException"},
		"": {400, "ThrottlingException"},
	},
	faultmatrix.Broken: {
		"ec2": {500, "InternalError"}, "iam": {500, "ServiceFailure"}, "s3": {500, "InternalError"},
		"ecs": {500, "ServerException"}, "ssm": {500, "InternalServerError"}, "logs": {503, "ServiceUnavailableException"},
		"": {500, "ServerException"},
	},
}

// envelopes are the protocols' forms of an error: EC2's query, IAM's query,
// S3's XML; all others speak JSON 1.1.
var envelopes = map[string]string{
	"ec2": `<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>fault</RequestID></Response>`,
	"iam": `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Receiver</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>fault</RequestId></ErrorResponse>`,
	"s3":  `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message><RequestId>fault</RequestId><HostId>fault</HostId></Error>`,
}

func refuse(w http.ResponseWriter, service string, f faultmatrix.Fault) {
	r, ok := words[f][service]
	if !ok {
		r = words[f][""]
	}
	form, kind := envelopes[service], "text/xml"
	if form == "" {
		form, kind = `{"__type":%q,"message":%q}`, "application/x-amz-json-1.1"
		w.Header().Set("X-Amzn-ErrorType", r.code)
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(r.status)
	_, _ = fmt.Fprintf(w, form, r.code, "as the test wants") // the caller may have gone
}
