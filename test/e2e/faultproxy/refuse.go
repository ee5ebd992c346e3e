package faultproxy

import (
	"fmt"
	"net/http"

	"github.com/flowbed/flowbed/test/faultmatrix"
)

// refusal is a service's error.
type refusal struct {
	status int
	code   string
}

// words holds each service's errors for "too many calls" and "internal error". The empty
// name stands for all other services that use JSON.
var words = map[faultmatrix.Fault]map[string]refusal{
	faultmatrix.Throttled: {
		"ec2": {503, "RequestLimitExceeded"}, "iam": {400, "Throttling"}, "s3": {503, "SlowDown"},
		"ecs": {400, "ThrottlingException"}, "ssm": {400, "ThrottlingException"}, "logs": {400, "ThrottlingException"},
		"sqs": {400, "RequestThrottled"}, "events": {400, "ThrottlingException"},
		"": {400, "ThrottlingException"},
	},
	faultmatrix.Broken: {
		"ec2": {500, "InternalError"}, "iam": {500, "ServiceFailure"}, "s3": {500, "InternalError"},
		"ecs": {500, "ServerException"}, "ssm": {500, "InternalServerError"}, "logs": {503, "ServiceUnavailableException"},
		"sqs": {500, "InternalError"}, "events": {500, "InternalException"},
		"": {500, "ServerException"},
	},
}

// envelopes holds the error formats of EC2's query protocol, IAM's query protocol and
// S3's XML. All other services use JSON 1.1.
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
	_, _ = fmt.Fprintf(w, form, r.code, "injected by the test") // the caller may be gone
}
