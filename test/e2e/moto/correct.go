package moto

import (
	"context"
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

// memory holds what a front must remember because moto does not.
type memory struct {
	launches sync.Map // client token of RunInstances → *launch
	redrives sync.Map // name of a queue → its redrive allow policy
}

// corrections holds the AWS rules that moto lacks, by service and operation. Each one
// either passes the call on or replies in moto's place.
var corrections = map[string]func(*Front, request) (answer, error){
	"s3.CreateBucket":                   createBucket,
	"s3.PutBucketLogging":               putLogging,
	"ecs.CreateCluster":                 createCluster,
	"ecs.DescribeClusters":              describeClusters,
	"ecs.ListTasks":                     listTasks,
	"iam.RemoveRoleFromInstanceProfile": removeRole,
	"ec2.DeleteSecurityGroup":           deleteGroup,
	"ec2.RevokeSecurityGroupEgress":     revokeEgress,
	"ec2.RunInstances":                  runInstances,
	"ec2.GetConsoleOutput":              consoleOutput,
	"ssm.GetParameter":                  readParameter,
	"ssm.PutParameter":                  writeParameter,
	"ssm.DescribeInstanceInformation":   managedInstances,
	"ecr.PutImageScanningConfiguration": putScanning,
	"sqs.CreateQueue":                   createQueue,
	"sqs.DeleteQueue":                   deleteQueue,
	"sqs.GetQueueAttributes":            queueAttributes,
	"sqs.SetQueueAttributes":            setQueueAttributes,
	"events.PutRule":                    putRule,
}

// correct executes a call as AWS would.
func (f *Front) correct(ctx context.Context, r request) (answer, error) {
	if play := f.player(); play != nil && r.service == "ecs" {
		return f.played(ctx, r, play)
	}
	return f.corrected(r)
}

// corrected lets moto execute a call, with the rules that it lacks.
func (f *Front) corrected(r request) (answer, error) {
	if c, ok := corrections[r.service+"."+r.operation]; ok {
		return c(f, r)
	}
	return f.pass(r)
}

// pass lets moto execute the call unchanged.
func (f *Front) pass(r request) (answer, error) {
	return f.send(r.Request, r.Method, r.URL.RequestURI(), r.Header, r.body)
}

// query lets moto execute another call to the same service, in the query protocol of IAM
// and EC2.
func (f *Front) query(r request, form url.Values) (answer, error) {
	return f.send(r.Request, r.Method, r.URL.RequestURI(), r.Header, []byte(form.Encode()))
}

func refusal(status int, contentType, body string) (answer, error) {
	return answer{status: status, header: http.Header{"Content-Type": {contentType}}, body: []byte(body)}, nil
}
