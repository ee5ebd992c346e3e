package resource_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// consoleAPI is an EC2 that knows GetConsoleOutput and nothing else.
type consoleAPI struct {
	latest bool // the instance type has a latest output
	text   string
}

func newConsole(latest bool, text string) *ec2.Client {
	return ec2.New(ec2.Options{
		Region: "us-east-1", HTTPClient: consoleAPI{latest, text},
		Credentials:      credentials.NewStaticCredentialsProvider("key", "secret", ""),
		RetryMaxAttempts: 1, RetryMode: aws.RetryModeStandard,
	})
}

// Do implements aws.HTTPClient.
func (c consoleAPI) Do(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, err
	}
	status, body := http.StatusOK, `<GetConsoleOutputResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><instanceId>i-1</instanceId><output>`+
		base64.StdEncoding.EncodeToString([]byte(c.text))+`</output></GetConsoleOutputResponse>`
	if form.Get("Latest") == "true" && !c.latest {
		status, body = http.StatusBadRequest, `<Response><Errors><Error><Code>UnsupportedOperation</Code><Message>no</Message></Error></Errors></Response>`
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{"Content-Type": {"text/xml"}}, Request: r}, nil
}
