package stack

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/secret"
)

const (
	theTasks = "the tasks"
	theAgent = "the agent"
)

// narrow lets a security group of the environment out only to what the spec names. Down does not
// look at the rules of groups.
func (s *Stack) narrow(g *resource.SecurityGroup) {
	e := s.env.Network.Egress
	if e == nil || s.o.Destroy || s.groupsNamed() {
		return
	}
	if !s.s3Addresses.Set() {
		s.s3Addresses = data(s, "addresses of S3", resource.S3Addresses{API: s.c.EC2, ID: s.id})
	}
	g.Egress = resource.Egress{CIDRs: e.Ranges(), Ports: e.Ports, S3: s.s3Addresses}
}

// needed are what the environment needs outside, as far as the spec tells: what flows connect to
// besides, only their code knows.
func (s *Stack) needed() []resource.Destination {
	list := s.neededByTasks()
	switch {
	case s.onInstance():
		list = append(list, s.neededByInstance()...)
	case s.onService() != nil:
		list = append(list, s.neededByService()...)
	}
	return list
}

// neededByTasks are what Fargate needs to start a task, and Prefect in it.
func (s *Stack) neededByTasks() []resource.Destination {
	list := []resource.Destination{service(theTasks, "logs")}
	if p := s.env.Prefect; p != nil {
		list = append(list, through(theTasks, proxyIn(s.env.Flows.Env), api(theTasks, p.APIURL)))
		list = append(list, registry(theTasks, cmp.Or(s.flows().Image, s.defaultImage()))...)
	}
	return append(list, stores(theTasks, s.taskSecrets())...)
}

// neededByInstance are what the setup of the agent's instance needs, and its worker. The packages of
// Amazon Linux are in S3.
func (s *Stack) neededByInstance() []resource.Destination {
	proxy := s.env.Agent.Proxy
	list := []resource.Destination{
		through(theAgent, proxy, api(theAgent, s.env.Prefect.APIURL)),
		through(theAgent, proxy, packages(theAgent, s.env.Agent.PipIndexURL)),
	}
	if proxy != "" {
		return list
	}
	for _, name := range []string{"ec2", "ecs", "logs", "ssm", "ssmmessages"} {
		list = append(list, service(theAgent, name))
	}
	return append(append(list, stores(theAgent, []secret.Ref{s.apiSecret()})...), s.queueOfEvents()...)
}

// neededByService are what a worker in a service needs: Fargate starts it like a task.
func (s *Stack) neededByService() []resource.Destination {
	proxy := s.env.Agent.Proxy
	image, extra := s.version.WorkerImage()
	list := []resource.Destination{through(theAgent, proxy, api(theAgent, s.env.Prefect.APIURL)), service(theAgent, "logs")}
	if own := s.onService().Image; own != "" {
		image, extra = own, ""
	}
	if extra != "" || len(s.env.Agent.PipPackages) > 0 {
		list = append(list, through(theAgent, proxy, packages(theAgent, s.env.Agent.PipIndexURL)))
	}
	list = append(append(list, registry(theAgent, image)...), stores(theAgent, []secret.Ref{s.apiSecret()})...)
	if proxy != "" {
		return list
	}
	return append(append(list, service(theAgent, "ec2"), service(theAgent, "ecs")), s.queueOfEvents()...)
}

func (s *Stack) queueOfEvents() []resource.Destination {
	if eventsQueue(s.env, s.version) == "" {
		return nil
	}
	return []resource.Destination{service(theAgent, "sqs")}
}

// service is one of AWS's services.
func service(who, name string) resource.Destination {
	return resource.Destination{Who: who, Host: name, Port: 443, AWS: true}
}

// stores are the services that keep secrets.
func stores(who string, list []secret.Ref) (found []resource.Destination) {
	for _, r := range list {
		if d := service(who, r.Service); r.Set() && !slices.Contains(found, d) {
			found = append(found, d)
		}
	}
	return found
}

// api is Prefect's API.
func api(who, text string) resource.Destination { return at(who, "Prefect's API", text) }

// packages is the package index.
func packages(who, index string) resource.Destination {
	d := at(who, "the package index", cmp.Or(index, "https://pypi.org/simple"))
	if index == "" {
		d.Else = "set pip_index_url in the agent block to an index that it can reach"
	}
	return d
}

// through is a proxy in the place of what is behind it.
func through(who, proxy string, d resource.Destination) resource.Destination {
	if proxy == "" {
		return d
	}
	return at(who, "the proxy", proxy)
}

// proxyIn is the proxy that environment variables name; empty if they name none.
func proxyIn(env map[string]string) string {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		if env[name] != "" {
			return env[name]
		}
	}
	return ""
}

// at is the host of a URL.
func at(who, what, text string) resource.Destination {
	d := resource.Destination{Who: who, What: what, Host: text, Port: 443}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return d
	}
	d.Host = strings.ToLower(u.Hostname())
	if u.Scheme == "http" {
		d.Port = 80
	}
	if n, err := strconv.Atoi(u.Port()); err == nil {
		d.Port = n
	}
	return d
}

// registry is from where an image comes. The layers of an image in ECR are in S3.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
func registry(who, image string) []resource.Destination {
	if image == "" {
		return nil
	}
	host, _, found := strings.Cut(image, "/")
	if privateECR.MatchString(host) {
		return []resource.Destination{service(who, "ecr.api"), service(who, "ecr.dkr")}
	}
	if !found || !strings.ContainsAny(host, ".:") && host != "localhost" {
		host = "registry-1.docker.io"
	}
	d := at(who, "the registry of the image "+image, "https://"+host)
	d.Else = "use an image in ECR (a repository block)"
	return []resource.Destination{d}
}

// privateECR matches the host of an account's registry.
var privateECR = regexp.MustCompile(`^[0-9]{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.`)
