package moto

import (
	"encoding/xml"
	"fmt"
	"net/http"
)

// logPolicy is the form of a policy in which moto sees that S3 may write access logs.
const logPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},` +
	`"Action":["s3:PutObject"],"Resource":"arn:aws:s3:::%s/*"}]}`

// putLogging gives the target a policy that moto understands while moto executes the call: AWS
// does not ask the policy, and moto fails on one whose principal is everybody.
func putLogging(f *Front, r request) (answer, error) {
	var status struct {
		Target string `xml:"LoggingEnabled>TargetBucket"`
	}
	if err := xml.Unmarshal(r.body, &status); err != nil {
		return answer{}, fmt.Errorf("read the target of access logs: %w", err)
	}
	policy := "/" + status.Target + "?policy"
	have, err := f.send(r.Request, http.MethodGet, policy, r.Header, nil)
	if err != nil || have.status != http.StatusOK { // no logging, no target, or a policy of nobody
		return f.pass(r)
	}
	if _, err := f.send(r.Request, http.MethodPut, policy, r.Header, fmt.Appendf(nil, logPolicy, status.Target)); err != nil {
		return answer{}, err
	}
	a, err := f.pass(r)
	if err != nil {
		return a, err
	}
	_, err = f.send(r.Request, http.MethodPut, policy, r.Header, have.body)
	return a, err
}
