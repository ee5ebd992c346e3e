package hello

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/flowbed/flowbed/provision/prefect"
)

// sayings are what ECS, the worker and Python say, as AWS's documentation, Prefect's sources
// and issues have it, and what the cause is.
var sayings = []struct {
	by, text, what string
}{
	{byECS, "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref docker.io/acme/flows:1.4.2: docker.io/acme/flows:1.4.2: not found", "the image cannot be pulled"},
	{byECS, "CannotPullContainerError: inspect image has been retried 1 time(s): failed to resolve ref: name unknown: The repository with name 'flows' does not exist in the registry with id '123456789012'", "the image cannot be pulled"},
	{byECS, "CannotPullContainerError: pull image manifest has been retried 5 time(s): httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/prefecthq/prefect/manifests/sha256:1: 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit.", "Docker Hub limits"},
	{byECS, "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to do request: Head \"https://registry-1.docker.io/v2/\": dial tcp 44.205.64.79:443: i/o timeout", "does not reach the image's registry"},
	{byECS, "CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy: context deadline exceeded", "does not reach the image's registry"},
	{byECS, "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/amd64'", "another CPU architecture"},
	{byECS, "CannotPullContainerError: failed to resolve ref: pulling from host 123456789012.dkr.ecr.us-east-1.amazonaws.com failed with status code [manifests 1]: 403 Forbidden", "ECS may not pull the image"},
	{byECS, "CannotPullContainerError: pull access denied for flows, repository does not exist or may require authorization", "ECS may not pull the image"},
	{byECS, "CannotPullContainerError: failed to register layer: write /usr/lib/x: no space left on device", "too large for the task's disk"},
	{byECS, "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist. : exit status 1", "the log group is missing"},
	{byECS, "ResourceInitializationError: failed to validate logger args: : signal: killed", "does not reach CloudWatch Logs"},
	{byECS, "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: AccessDeniedException: User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: logs:CreateLogStream", "the execution role may not write the log"},
	{byECS, "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: service call has been retried 1 time(s): AccessDeniedException: User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: ssm:GetParameters", "the execution role may not read the key"},
	{byECS, "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: invalid ssm parameters: /flowbed/dev/prefect-api-key", "the key is missing"},
	{byECS, "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: invalid ssm parameters: /team/password", "a secret that the file names is missing"},
	{byECS, "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret.", "a secret that the file names is missing"},
	{byECS, "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved secret from Secrets Manager did not contain json key password", "no such JSON key"},
	{byECS, "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf from secrets manager: AccessDeniedException: User: x is not authorized to perform: secretsmanager:GetSecretValue on resource: y", "the execution role may not read the key or a secret"},
	{byECS, "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: service call has been retried 5 time(s): RequestCanceled: request context canceled caused by: context deadline exceeded", "does not reach an endpoint of AWS"},
	{byECS, "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/flowbed-dev-task' that was provided for this task.", "ECS may not assume the task's roles"},
	{byECS, "Timeout waiting for network interface provisioning to complete.", "no network interface"},
	{byECS, "OutOfMemoryError: Container killed due to memory usage; exit code 137", "ran out of memory"},
	{byECS, "Capacity is unavailable at this time. Please try again later or in a different availability zone", "no capacity"},
	{byPrefect, "Failed to submit flow run to infrastructure: ClientError: An error occurred (AccessDeniedException) when calling the RunTask operation: User: arn:aws:sts::1:assumed-role/flowbed-dev-agent/i-1 is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/x", "the worker may not start the task"},
	{byPrefect, "Failed to submit flow run to infrastructure: ClientError: An error occurred (UnauthorizedOperation) when calling the DescribeVpcs operation: You are not authorized to perform this operation.", "the worker may not start the task"},
	{byPrefect, "Failed to submit flow run to infrastructure: ClusterNotFoundException: An error occurred (ClusterNotFoundException) when calling the RunTask operation: Cluster not found.", "names something that does not exist"},
	{byPrefect, "Failed to submit flow run to infrastructure: InvalidParameterException: The security group 'sg-1' does not exist", "names something that does not exist"},
	{byPrefect, "Failed to submit flow run to infrastructure: ClientException: An error occurred (ThrottlingException) when calling the RegisterTaskDefinition operation: Rate exceeded", "ECS limits the rate"},
	{byPrefect, "Failed to submit flow run to infrastructure: RuntimeError: Failed to run ECS task", "the worker cannot start the task"},
	{byCloudWatch, "ModuleNotFoundError: No module named 'prefect_aws'", "the image lacks prefect-aws"},
	{byECS, "CannotStartContainerError: exec: \"prefect\": executable file not found in $PATH; exit code 127", "the image lacks Prefect"},
	{byCloudWatch, "exec /usr/bin/tini: exec format error", "another CPU architecture"},
	{byCloudWatch, "prefect.exceptions.PrefectHTTPStatusError: Client error '401 Unauthorized' for url 'https://prefect.example.com/api/flow_runs/1'", "Prefect refuses the key"},
	{byCloudWatch, "httpx.ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)", "does not trust the API's certificate"},
	{byCloudWatch, "httpx.ConnectError: All connection attempts failed", "does not reach Prefect's API"},
	{byCloudWatch, "socket.gaierror: [Errno -2] Name or service not known", "does not reach Prefect's API"},
	{byPrefect, "Flow run encountered an exception: ClientError: An error occurred (AccessDenied) when calling the PutObject operation: User: arn:aws:sts::1:assumed-role/flowbed-dev-task/x is not authorized to perform: s3:PutObject", "the task role lacks a permission"},
	{byLog, "botocore.exceptions.NoCredentialsError: Unable to locate credentials", "the task has no task role"},
	{byLog, "botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: \"https://s3.amazonaws.com/\"", "does not reach"},
}

func TestDiagnose(t *testing.T) {
	used := map[string]bool{}
	for _, s := range sayings {
		have := diagnose(evidence{sayings: []saying{{byPrefect, "Process exited with status code: 1. Process exited with a general error."}, {s.by, s.text}}})
		used[have.What] = true
		if !strings.Contains(have.What, s.what) {
			t.Errorf("%s\n  have %s\n  want %s", s.text, have.What, s.what)
		}
		if have.By != s.by || have.Quote != s.text || have.Todo == "" {
			t.Errorf("%s\n  the failure is %+v", s.text, have)
		}
	}
	for _, c := range causes {
		if c.text != "" && !used[c.what] {
			t.Errorf("no saying has the cause %q", c.what)
		}
	}
}

// TestDiagnoseEnding tells the cause from how the task ended.
func TestDiagnoseEnding(t *testing.T) {
	exited := saying{byECS, "Essential container in task exited"}
	for what, e := range map[string]evidence{
		"AWS took the capacity back":              {stopCode: "SpotInterruption", sayings: []saying{{byECS, "Your Spot Task was interrupted."}}},
		"the container was killed, probably":      {exit: aws.Int32(137), sayings: []saying{exited}},
		"the container ended with exit code 3":    {exit: aws.Int32(3), lost: true, sayings: []saying{exited}},
		"somebody stopped the task":               {stopCode: "UserInitiated", exit: aws.Int32(143), sayings: []saying{{byECS, "by hand"}}},
		"the task has ended, and the run has not": {exit: aws.Int32(0), lost: true, sayings: []saying{exited}},
		"the run's state is Failed":               {state: prefect.State{Name: "Failed"}, sayings: []saying{{byPrefect, "Flow run encountered an exception: ValueError: 1"}}},
		"the run's state is Cancelled":            {state: prefect.State{Name: "Cancelled"}},
		"the run has ended":                       {},
	} {
		have := diagnose(e)
		if !strings.HasPrefix(have.What, what) {
			t.Errorf("have %+v, want %s", have, what)
		}
		if len(e.sayings) > 0 && have.Quote != e.sayings[0].text {
			t.Errorf("%s: the quote is %q, want %q", what, have.Quote, e.sayings[0].text)
		}
	}
}

// TestDiagnoseInOrder prefers what ECS says to what the flow's log says, and quotes the last of
// several lines.
func TestDiagnoseInOrder(t *testing.T) {
	lines := newestFirst(byLog, []string{"Traceback:\n  File x\nbotocore.exceptions.NoCredentialsError: Unable to locate credentials 1", "Unable to locate credentials 2", "done"})
	if have := diagnose(evidence{sayings: lines}); have.Quote != "Unable to locate credentials 2" {
		t.Errorf("have %q", have.Quote)
	}
	have := diagnose(evidence{sayings: append([]saying{{byECS, "OutOfMemoryError: Container killed due to memory usage"}}, lines...)})
	if have.By != byECS {
		t.Errorf("have %+v", have)
	}
	if long := diagnose(evidence{lost: true, sayings: []saying{{byECS, strings.Repeat("ä", maxQuote)}}}); len(long.Quote) > maxQuote+len("…") {
		t.Errorf("the quote has %d bytes", len(long.Quote))
	}
}

// TestSections checks that each hint leads to a section of the page.
func TestSections(t *testing.T) {
	text, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	var anchors []string
	for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(text), -1) {
		title := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		anchors = append(anchors, strings.ReplaceAll(title, " ", "-"))
	}
	for _, c := range causes {
		if !slices.Contains(anchors, c.section) {
			t.Errorf("%s: %s is no section", c.what, c.section)
		}
		if c.what == "" || c.todo == "" || c.text == "" && c.stopCode == "" && c.exit == 0 {
			t.Errorf("a cause lacks something: %+v", c)
		}
	}
	for _, s := range []string{sectionPending, sectionPermission} {
		if !slices.Contains(anchors, s) {
			t.Errorf("%s is no section", s)
		}
	}
}
