package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/view"
)

// outputPrefect prints how a flow is deployed to the environment: a prefect.yaml,
// or for Prefect 1 the part of a flow's file that says where it runs.
func outputPrefect(w io.Writer, s *session, list []view.Output) error {
	if s.env.Agent == nil {
		return usage(&hinted{errors.New("the environment has no agent, so there is no Prefect to deploy to"), "add an agent block to the file"})
	}
	p := s.env.Agent.Prefect
	v, err := prefect.ParseVersion(p.Version)
	if err != nil {
		return err
	}
	have := map[string]string{}
	for _, o := range list {
		have[o.Name] = text(o)
	}
	for _, name := range []string{"bucket", "execution_role_arn", "task_role_arn", "log_group"} {
		if have[name] == "" {
			return &hinted{fmt.Errorf("there is no %s yet", strings.TrimSuffix(strings.ReplaceAll(name, "_", " "), " arn")), "`flowbed up` builds the environment"}
		}
	}
	if v.Kind() == prefect.Agent1 {
		_, err = fmt.Fprintf(w, snippet1, s.env.Name, quoteAll(p.Labels), quote(image1(v)), quote(have["task_role_arn"]),
			quote(have["execution_role_arn"]), quote("flowbed-"+s.env.Name), quote(have["log_group"]), quote(s.env.Region), quote(have["bucket"]))
		return err
	}
	_, err = fmt.Fprintf(w, deployment, s.env.Name, quote(s.env.Name), quote(v.String()), quote(have["bucket"]), quote(have["bucket"]),
		quote(p.WorkPool), quote(v.Image()), quote("prefect-aws=="+v.AWS()))
	return err
}

// quote makes a text of s for YAML and Python alike.
func quote(s string) string { return strconv.QuoteToASCII(s) }

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, ", ")
}

// image1 is Prefect's own image for flows of a version of Prefect 1, with a
// Python that all of them run on.
func image1(v prefect.Version) string { return "prefecthq/prefect:" + v.String() + "-python3.8" }

// deployment is a prefect.yaml. Whoever deploys needs the right to write to the
// bucket; the flow's task has its own role for reading.
const deployment = `# How flows are deployed to flowbed's environment %s. Write the flow's file and
# function into entrypoint, then: prefect deploy --all
name: %s
prefect-version: %s

push: # on the machine that deploys: it needs prefect-aws, and AWS credentials
  - prefect_aws.deployments.steps.push_to_s3:
      id: code
      bucket: %s
      folder: flows

pull: # in the flow's task
  - prefect_aws.deployments.steps.pull_from_s3:
      bucket: %s
      folder: "{{ code.folder }}"

deployments:
  - name: hello
    entrypoint: hello.py:hello
    work_pool:
      name: %s # gives cluster, roles, network, log group and the key
      job_variables:
        image: %s
        env:
          EXTRA_PIP_PACKAGES: %s # installed when the task starts; add your own, or leave it out if the image has them
`

// snippet1 is for a flow's file. What is not in it (cluster, network) the agent
// gives to each run. ECS writes a log only if a definition names its group.
const snippet1 = `# Where a flow of Prefect 1 runs in flowbed's environment %s. An agent takes a
# flow if the flow's labels are all among the agent's.
from prefect.run_configs import ECSRun
from prefect.storage import S3

run_config = ECSRun(
    labels=[%s],
    image=%s,
    task_role_arn=%s,
    execution_role_arn=%s,
    task_definition={
        "family": %s,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "1024",
        "memory": "2048",
        "containerDefinitions": [{
            "name": "flow",
            "logConfiguration": {"logDriver": "awslogs", "options": {
                "awslogs-group": %s, "awslogs-region": %s, "awslogs-stream-prefix": "flow",
            }},
        }],
    },
)
storage = S3(bucket=%s)

# with Flow("hello", run_config=run_config, storage=storage) as flow: …
`
