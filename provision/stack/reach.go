package stack

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

// NeededEndpoints are the services for which subnets without a way out need a VPC endpoint, in sorted
// order; docs/company.md says why. What the code of flows calls is not among them.
func NeededEndpoints(env *spec.Environment, partition string) []string {
	list := []string{"ecr.api", "ecr.dkr", "logs", resource.ServiceS3}
	if r := apiSecret(env, partition); r.Set() {
		list = append(list, r.Service)
	}
	for _, r := range flowSecrets(env) {
		list = append(list, r.Service)
	}
	if env.Agent != nil {
		list = append(list, "ec2", "ecs")
		if version, err := versionOf(env); err == nil && eventsQueue(env, version) != "" {
			list = append(list, "sqs")
		}
		if env.Agent.Service == nil {
			list = append(list, "ssm", "ssmmessages")
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func versionOf(env *spec.Environment) (v prefect.Version, err error) {
	if env.Prefect == nil {
		return v, nil
	}
	return prefect.ParseVersion(env.Prefect.Version)
}

// outside is what a run that builds the environment warns of if it is out of reach.
func (s *Stack) outside() []resource.Outside {
	if s.o.Destroy {
		return nil
	}
	return outside(s.env)
}

// outside is what the environment needs of the internet, as far as the file tells: a host with
// another name may be anywhere.
func outside(env *spec.Environment) (list []resource.Outside) {
	version, err := versionOf(env)
	if env.Prefect == nil || err != nil {
		return nil
	}
	add := func(what, instead string) {
		list = append(list, resource.Outside{What: what, Instead: instead})
	}
	image := env.Flows.Image
	if image == "" && env.Repository == nil {
		image = version.Image()
	}
	if r := Registry(image); image != "" && public(r) {
		add(r+" for the image of flows", "set flows.image to an image in ECR")
	}
	if u, err := url.Parse(env.Prefect.APIURL); err == nil && public(u.Hostname()) && !proxied(env.Flows.Env) {
		add("Prefect's API at "+u.Hostname(), "use a Prefect server in reach from the VPC")
	}
	return append(list, agentOutside(env, version)...)
}

// agentOutside is what the agent needs besides.
func agentOutside(env *spec.Environment, version prefect.Version) (list []resource.Outside) {
	a := env.Agent
	if a == nil {
		return nil
	}
	packages := a.Service == nil || len(a.PipPackages) > 0
	if a.Service != nil {
		image, more := version.WorkerImage()
		if packages = packages || a.Service.Image == "" && more != ""; a.Service.Image != "" {
			image = a.Service.Image
		}
		if r := Registry(image); public(r) {
			list = append(list, resource.Outside{What: r + " for the image of the agent", Instead: "set image in its service block to an image in ECR"})
		}
	}
	index := "pypi.org"
	if u, err := url.Parse(a.PipIndexURL); err == nil {
		index = cmp.Or(u.Hostname(), index)
	}
	if packages && public(index) && a.Proxy == "" {
		list = append(list, resource.Outside{What: index + " for the agent's packages", Instead: "set agent.pip_index_url or agent.proxy"})
	}
	return list
}

// DockerHub is the registry of an image that names none.
const DockerHub = "Docker Hub"

// Registry returns the registry of an image; an empty image is Prefect's.
func Registry(image string) string {
	first, _, ok := strings.Cut(image, "/")
	if !ok || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return DockerHub
	}
	return first
}

// publicHosts end the names of hosts that are certainly on the internet, and have no VPC endpoint.
var publicHosts = []string{
	"prefect.cloud", "docker.io", "ghcr.io", "quay.io", "gcr.io", "pkg.dev", "public.ecr.aws", "registry.gitlab.com", "pypi.org",
}

// public reports whether a host is certainly on the internet.
func public(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsGlobalUnicast() && !a.IsPrivate() && !netip.MustParsePrefix("100.64.0.0/10").Contains(a)
	}
	return host == DockerHub || slices.ContainsFunc(publicHosts, func(p string) bool { return host == p || strings.HasSuffix(host, "."+p) })
}

// proxied reports whether variables name a proxy.
func proxied(env map[string]string) bool {
	for name, value := range env {
		if strings.EqualFold(name, "HTTPS_PROXY") && value != "" {
			return true
		}
	}
	return false
}
