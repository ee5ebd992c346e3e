package moto

import (
	"net/http"
	"net/url"
	"sync"
)

// request is a call on its way to moto.
type request struct {
	*http.Request
	body               []byte
	service, operation string
}

// memory is what a front must remember because moto does not.
type memory struct {
	launches sync.Map // client token of RunInstances → *launch
}

// corrections hold AWS's rules that moto lacks, by service and operation. Each
// passes the call on itself, or answers in moto's place.
var corrections = map[string]func(*Front, request) (answer, error){
	"s3.CreateBucket":                   createBucket,
	"ecs.CreateCluster":                 createCluster,
	"iam.RemoveRoleFromInstanceProfile": removeRole,
	"ec2.DeleteSecurityGroup":           deleteGroup,
	"ec2.RunInstances":                  runInstances,
	"ec2.GetConsoleOutput":              consoleOutput,
	"ssm.GetParameter":                  readParameter,
	"ecr.PutImageScanningConfiguration": putScanning,
}

// correct has a call carried out as AWS would.
func (f *Front) correct(r request) (answer, error) {
	if c, ok := corrections[r.service+"."+r.operation]; ok {
		return c(f, r)
	}
	return f.pass(r)
}

// pass has moto carry out the call as it is.
func (f *Front) pass(r request) (answer, error) {
	return f.send(r.Request, r.Method, r.URL.RequestURI(), r.Header, r.body)
}

// query has moto carry out another call of the same service, in the query
// protocol of IAM and EC2.
func (f *Front) query(r request, form url.Values) (answer, error) {
	return f.send(r.Request, r.Method, r.URL.RequestURI(), r.Header, []byte(form.Encode()))
}

func refusal(status int, contentType, body string) (answer, error) {
	return answer{status: status, header: http.Header{"Content-Type": {contentType}}, body: []byte(body)}, nil
}
