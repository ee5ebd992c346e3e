package resource_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
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

// systemsAPI is a Systems Manager that runs one command.
type systemsAPI struct {
	online bool
	denied string // the operation that is denied
	silent bool   // it never replies
	output string
	sent   *[]string // the scripts
}

func (s systemsAPI) client() *ssm.Client {
	return ssm.New(ssm.Options{
		Region: "us-east-1", HTTPClient: s, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		RetryMaxAttempts: 1, RetryMode: aws.RetryModeStandard,
	})
}

// Do implements aws.HTTPClient.
func (s systemsAPI) Do(r *http.Request) (*http.Response, error) {
	if s.silent {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	status, body := http.StatusOK, any(map[string]any{})
	switch {
	case operation == s.denied:
		status, body = http.StatusBadRequest, map[string]any{"__type": "AccessDeniedException", "message": "not authorized to perform: ssm:" + operation}
	case operation == "DescribeInstanceInformation" && s.online:
		body = map[string]any{"InstanceInformationList": []any{map[string]any{"InstanceId": "i-1", "PingStatus": "Online"}}}
	case operation == "SendCommand":
		var in struct{ Parameters struct{ Commands []string } }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			return nil, err
		}
		if s.sent != nil {
			*s.sent = append(*s.sent, in.Parameters.Commands...)
		}
		body = map[string]any{"Command": map[string]any{"CommandId": "c-1"}}
	case operation == "GetCommandInvocation":
		body = map[string]any{"Status": "Success", "StandardOutputContent": s.output}
	}
	raw, err := json.Marshal(body)
	return &http.Response{
		StatusCode: status, Body: io.NopCloser(strings.NewReader(string(raw))), Request: r,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
	}, err
}
