package fargate

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
	"github.com/flowbed/flowbed/provision/sandbox/prefectapi"
)

// process is Prefect's process in a container: prefect flow-run execute.
type process struct {
	*task
	began, ended time.Time

	role core.Identity // the task role
	run  struct {
		ID         string         `json:"id"`
		Name       string         `json:"name"`
		Deployment string         `json:"deployment_id"`
		Parameters map[string]any `json:"parameters"`
	}
	code map[string]string // the files of the flow
	said time.Duration     // how long it has spoken: each of its words comes a moment later
}

// execute runs the flow and returns the exit code.
func (p *process) execute() int32 {
	if p.TaskRole != "" {
		p.role, _ = iam.TaskSession(p.call, p.TaskRole, p.ID) // prepare has checked it
	}
	if err := p.get("/flow_runs/"+p.Environment["PREFECT__FLOW_RUN_ID"], &p.run); err != nil {
		p.print(p.began, "Traceback (most recent call last):")
		p.print(p.began, err.Error())
		return 1
	}
	if err := p.fetch(); err != nil {
		p.print(p.began, err.Error())
		p.state(p.ended, "CRASHED", "Crashed", "Process exited with status code: 1. Process exited with a general error.")
		return 0 // it is another process that has ended with 1
	}
	p.state(p.began, "RUNNING", "Running", "")
	p.log(p.began, 20, "Beginning flow run '"+p.run.Name+"'")
	if err := p.flow(); err != nil {
		p.log(p.ended, 40, "Encountered exception during execution: "+err.Error())
		p.state(p.ended, "FAILED", "Failed", "Flow run encountered an exception: "+err.Error())
		return 0 // the process has done its work
	}
	p.log(p.ended, 20, "Finished in state Completed()")
	p.state(p.ended, "COMPLETED", "Completed", "")
	return 0
}

func (p *process) get(path string, out any) error {
	a, err := p.api(p.began, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(a.JSON(), out)
}

// call calls Prefect's API with the key that ECS has put into the environment.
func (p *process) api(at time.Time, method, path string, body any) (prefectapi.Answer, error) {
	root := p.Environment["PREFECT_API_URL"]
	u, err := url.Parse(strings.TrimRight(root, "/") + path)
	if err != nil {
		return prefectapi.Answer{}, err
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		port = map[string]int{"http": 80, "https": 443}[u.Scheme]
	}
	if prefectapi.Loopback(u) || !p.reaches(u.Hostname(), port) {
		return prefectapi.Answer{}, said("httpx.ConnectError: All connection attempts failed")
	}
	m := prefectapi.Message{Now: at, Method: method, URL: u, Header: http.Header{}}
	if key := p.secrets["PREFECT_API_KEY"]; key != "" {
		m.Header.Set("Authorization", "Bearer "+key)
	} else if user := p.secrets["PREFECT_API_AUTH_STRING"]; user != "" {
		m.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user)))
	}
	if body != nil {
		if m.Body, err = json.Marshal(body); err != nil {
			return prefectapi.Answer{}, err
		}
	}
	a, err := prefectapi.Send(p.call, m)
	switch {
	case err != nil:
		return a, sayf("httpx.ConnectError: %v", err)
	case a.Status >= 400:
		return a, sayf("prefect.exceptions.PrefectHTTPStatusError: Client error '%d %s' for url '%s' - Response: %s",
			a.Status, http.StatusText(a.Status), u.Redacted(), a.JSON())
	}
	return a, nil
}

func (p *process) next(at time.Time) time.Time {
	p.said += time.Millisecond
	return at.Add(p.said)
}

func (p *process) state(at time.Time, kind, name, message string) {
	at = p.next(at)
	_, _ = p.api(at, http.MethodPost, "/flow_runs/"+p.run.ID+"/set_state", map[string]any{
		"state": map[string]any{"type": kind, "name": name, "message": message},
	})
}

// log adds a line to the run's log, which the container also prints.
func (p *process) log(at time.Time, level int, text string) {
	at = p.next(at)
	_, _ = p.api(at, http.MethodPost, "/logs", []any{map[string]any{
		"flow_run_id": p.run.ID, "level": level, "message": text, "timestamp": at.UTC().Format(time.RFC3339Nano), "name": "prefect.flow_runs",
	}})
	p.print(at, text)
}

// pullStep is the deployment's step that fetches the code.
type pullStep struct {
	Requires string `json:"requires"`
	Bucket   string `json:"bucket"`
	Folder   string `json:"folder"`
}

const pullFromS3 = "prefect_aws.deployments.steps.pull_from_s3"

// fetch makes the deployment's pull steps.
func (p *process) fetch() error {
	var d struct {
		Steps []map[string]pullStep `json:"pull_steps"`
	}
	if err := p.get("/deployments/"+p.run.Deployment, &d); err != nil {
		return err
	}
	p.code = map[string]string{}
	for _, all := range d.Steps {
		step, ok := all[pullFromS3]
		if !ok {
			return said("the sandbox knows only the pull step " + pullFromS3)
		}
		if err := p.install(step.Requires); err != nil {
			return err
		}
		if err := p.download(step); err != nil {
			return err
		}
	}
	return nil
}

// install installs prefect-aws, which Prefect's own image lacks. Other images in the sandbox
// lack it, too, except the one of that name.
func (p *process) install(requires string) error {
	switch {
	case strings.HasPrefix(p.Image, "prefecthq/prefect-aws:"):
		return nil
	case requires != "" && p.reaches("pypi.org", 443):
		return nil
	}
	return said("ModuleNotFoundError: No module named 'prefect_aws'")
}

func (p *process) download(s pullStep) error {
	prefix := s.Folder + "/"
	out, err := p.s3("ListObjectsV2", &s3.ListObjectsV2Input{Bucket: &s.Bucket, Prefix: &prefix})
	if err != nil {
		return err
	}
	for _, o := range out.(*s3.ListObjectsV2Output).Contents {
		got, err := p.s3("GetObject", &s3.GetObjectInput{Bucket: &s.Bucket, Key: o.Key})
		if err != nil {
			return err
		}
		text, err := io.ReadAll(got.(*s3.GetObjectOutput).Body)
		if err != nil {
			return err
		}
		p.code[strings.TrimPrefix(aws.ToString(o.Key), prefix)] = string(text)
	}
	return nil
}

// s3 makes a call as the task role. The error is in boto's words.
func (p *process) s3(operation string, in any) (any, error) {
	if p.TaskRole == "" {
		return nil, said("NoCredentialsError: Unable to locate credentials")
	}
	if !p.reaches(p.endpoint("s3"), 443) {
		return nil, sayf("EndpointConnectionError: Could not connect to the endpoint URL: \"https://%s/\"", p.endpoint("s3"))
	}
	r := *p.call
	r.Now = p.ended
	out, err := r.As(p.role, in)
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return nil, sayf("ClientError: An error occurred (%s) when calling the %s operation: %s", api.ErrorCode(), operation, api.ErrorMessage())
	}
	return out, err
}

var (
	printed = regexp.MustCompile(`(?m)^    print\(f?"(.*)"\)$`)
	writes  = regexp.MustCompile(`(?m)^    boto3\.client\("s3"\)\.put_object\(Bucket=bucket, Key=key, Body=text\.encode\(\)\)$`)
)

// flow runs the flow, as far as the sandbox understands its code: it prints, and writes one
// object.
func (p *process) flow() error {
	code, ok := p.code["hello.py"]
	if !ok {
		return said("FileNotFoundError: [Errno 2] No such file or directory: 'hello.py'")
	}
	at := writes.FindStringIndex(code)
	if at == nil {
		return said("NotImplementedError: the sandbox runs no other flow than that of flowbed hello")
	}
	p.prints(code[:at[0]])
	bucket, key, text := p.parameter("bucket"), p.parameter("key"), p.parameter("text")
	if _, err := p.s3("PutObject", &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(text)}); err != nil {
		return err
	}
	p.prints(code[at[1]:])
	return nil
}

func (p *process) parameter(name string) string { return fmt.Sprint(p.run.Parameters[name]) }

func (p *process) prints(code string) {
	for _, m := range printed.FindAllStringSubmatch(code, -1) {
		text := m[1]
		for name := range p.run.Parameters {
			text = strings.ReplaceAll(text, "{"+name+"}", p.parameter(name))
		}
		p.log(p.ended, 20, text)
	}
}
