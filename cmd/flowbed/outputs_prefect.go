package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/view"
)

var errNoAPI = &hinted{errors.New("the environment has no Prefect API"), "add a prefect block to the file"}

// outputPrefect prints the configuration to deploy a flow to the environment: a
// prefect.yaml, or the part of a flow's file for Prefect 1.
func outputPrefect(w io.Writer, s *session, list []view.Output) error {
	p := s.env.Prefect
	if p == nil {
		return usage(errNoAPI)
	}
	if err := s.file.Unset(&p.WorkPool, &p.Version, &s.env.Flows.Image); err != nil {
		return usage(err)
	}
	v, err := prefect.ParseVersion(p.Version)
	if err != nil {
		return err
	}
	have := map[string]string{}
	for _, o := range list {
		have[o.Name] = outputValue(o)
	}
	for _, name := range []string{"bucket", "execution_role_arn", "task_role_arn", "log_group"} {
		if have[name] == "" {
			return &hinted{fmt.Errorf("the %s does not exist yet", strings.TrimSuffix(strings.ReplaceAll(name, "_", " "), " arn")), "run `flowbed up` to build the environment"}
		}
	}
	if v.Kind() == prefect.Agent1 && s.env.Agent != nil {
		_, err = fmt.Fprintf(w, prefect1Snippet, s.env.Name, quoteAll(s.env.Agent.Labels), quote(prefect1Image(v)), quote(have["task_role_arn"]),
			quote(have["execution_role_arn"]), quote(s.id.Names().Plain()), quote(have["log_group"]), quote(s.env.Region), quote(have["bucket"]))
		return err
	}
	flows := s.env.Flows
	build, push, image := "", "", quote(firstOf(flows.Image, v.Image()))
	if uri := have["repository_uri"]; uri != "" {
		build, push = fmt.Sprintf(buildSteps, have["repository_login_command"], quote(uri), platform(flows)), pushSteps
		image = `"{{ build_image.image }}"`
	}
	packages := fmt.Sprintf(packagesLine, quote("prefect-aws=="+v.AWS()))
	if _, set := flows.Env[packagesVariable]; set {
		packages = ""
	}
	_, err = fmt.Fprintf(w, prefectYAML, s.env.Name, quote(s.env.Name), quote(v.String()), build, push, quote(have["bucket"]), quote(have["bucket"]),
		quote(p.WorkPool), image, packages)
	return err
}

// platform is the platform that Docker has to build images for.
func platform(f *spec.Flows) string {
	if f.CPUArchitecture == "ARM64" {
		return "linux/arm64"
	}
	return "linux/amd64"
}

// buildSteps build an image with the project's requirements.txt, if the environment
// has a repository. Without a tag, prefect-docker takes the time.
const buildSteps = `build: # runs on your machine, which needs Docker and prefect-docker. Log in first, for 12 hours:
  # %s
  - prefect_docker.deployments.steps.build_docker_image:
      id: build_image
      image_name: %s
      dockerfile: auto # from Prefect's image and requirements.txt; or the path of your own
      platform: %s

`

const pushSteps = `  - prefect_docker.deployments.steps.push_docker_image:
      image_name: "{{ build_image.image_name }}"
      tag: "{{ build_image.tag }}"
`

// quote returns s as a string literal that is valid in YAML and in Python.
func quote(s string) string { return strconv.QuoteToASCII(s) }

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, ", ")
}

// prefect1Image is Prefect's image for flows of a Prefect 1 version, with a Python that
// all these versions support.
func prefect1Image(v prefect.Version) string { return "prefecthq/prefect:" + v.String() + "-python3.8" }

// prefectYAML is a prefect.yaml. The person who deploys needs permission to write to
// the bucket; the flow's task reads with its own role.
const prefectYAML = `# Deploy flows to flowbed's environment %s. Set entrypoint to the flow's file and
# function, then run: prefect deploy --all
name: %s
prefect-version: %s

%spush: # runs on your machine, which needs prefect-aws and AWS credentials
%s  - prefect_aws.deployments.steps.push_to_s3:
      id: code
      bucket: %s
      folder: flows

pull: # runs in the flow's task
  - prefect_aws.deployments.steps.pull_from_s3:
      bucket: %s
      folder: "{{ code.folder }}"

deployments:
  - name: hello
    entrypoint: hello.py:hello
    work_pool:
      name: %s # sets cluster, roles, network, log group and key
      job_variables:
        image: %s
%s`

// packagesVariable tells Prefect's image what to install when it starts.
const packagesVariable = "EXTRA_PIP_PACKAGES"

// packagesLine is left out if the work pool has the variable, from the flows block.
const packagesLine = `        env:
          EXTRA_PIP_PACKAGES: %s # the task installs these; add your own, or remove this line if the image has them
`

// prefect1Snippet is for a flow's file. The agent sets the cluster and the network for
// each run. ECS writes a log only if the definition names a log group.
const prefect1Snippet = `# Run a Prefect 1 flow in flowbed's environment %s. The agent runs a flow if it has
# all of the flow's labels.
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
