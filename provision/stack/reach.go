package stack

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/reach"
	"github.com/flowbed/flowbed/provision/secret"
	"github.com/flowbed/flowbed/provision/spec"
)

// Needs are what an environment connects to, as far as the file tells: what flows connect to
// besides, only their code knows.
func Needs(env *spec.Environment, partition string) []reach.Need {
	n := needs{env, partition, versionOf(env)}
	list := n.ofTasks()
	switch {
	case env.Agent == nil:
	case env.Agent.Service == nil:
		list = append(list, n.ofInstance()...)
	default:
		list = append(list, n.ofService()...)
	}
	return list
}

// versionOf is zero without Prefect; package spec has checked it.
func versionOf(env *spec.Environment) (v prefect.Version) {
	if env.Prefect != nil {
		v, _ = prefect.ParseVersion(env.Prefect.Version)
	}
	return v
}

// needed is what the environment needs; a run that deletes it needs nothing more.
func (s *Stack) needed() []reach.Need {
	if s.o.Destroy {
		return nil
	}
	return Needs(s.env, s.id.Partition)
}

type needs struct {
	env       *spec.Environment
	partition string
	version   prefect.Version
}

// ofTasks are what Fargate needs to start a task, and Prefect in it.
func (n needs) ofTasks() []reach.Need {
	list := []reach.Need{reach.Service(reach.Tasks, "logs")}
	if n.env.Prefect != nil {
		list = append(list, n.api(reach.Tasks, proxiesIn(n.env.Flows.Env))...)
		list = append(list, n.ofImage()...)
	}
	return append(list, stores(reach.Tasks, taskSecrets(n.env, n.version, n.partition))...)
}

// ofImage are what the image of flows needs.
func (n needs) ofImage() []reach.Need {
	image := n.env.Flows.Image
	if image == "" && n.env.Repository != nil {
		return registry(reach.Tasks, ecrExample, "")
	}
	return registry(reach.Tasks, cmp.Or(image, n.version.Image()), "set flows.image to an image in ECR, or add a repository block")
}

// ecrExample stands for an image in the environment's own repository.
const ecrExample = "123456789012.dkr.ecr.us-east-1.amazonaws.com/example"

// ofInstance are what the setup of the agent's instance needs, and its worker. The packages of
// Amazon Linux are in S3.
func (n needs) ofInstance() []reach.Need {
	proxy := agentProxies(n.env)
	list := append(n.api(reach.Agent, proxy), n.packages(proxy))
	if n.env.Agent.Proxy != "" {
		return append(list, through(reach.Agent, n.env.Agent.Proxy, reach.Need{}))
	}
	for _, name := range []string{"ec2", "ecs", "logs", "ssm", "ssmmessages"} {
		list = append(list, reach.Service(reach.Agent, name))
	}
	return append(append(list, stores(reach.Agent, []secret.Ref{apiSecret(n.env, n.partition)})...), n.queueOfEvents()...)
}

// ofService are what a worker in a service needs: Fargate starts it like a task.
func (n needs) ofService() []reach.Need {
	a := n.env.Agent
	image, extra := n.version.WorkerImage()
	proxy := agentProxies(n.env)
	list := append(n.api(reach.Agent, proxy), reach.Service(reach.Agent, "logs"))
	if own := a.Service.Image; own != "" {
		image, extra = own, ""
	}
	if extra != "" || len(a.PipPackages) > 0 {
		list = append(list, n.packages(proxy))
	}
	list = append(list, registry(reach.Agent, image, "set image in its service block to an image in ECR")...)
	list = append(list, stores(reach.Agent, []secret.Ref{apiSecret(n.env, n.partition)})...)
	if a.Proxy != "" {
		return append(list, through(reach.Agent, a.Proxy, reach.Need{}))
	}
	return append(append(list, reach.Service(reach.Agent, "ec2"), reach.Service(reach.Agent, "ecs")), n.queueOfEvents()...)
}

func (n needs) queueOfEvents() []reach.Need {
	if eventsQueue(n.env, n.version) == "" {
		return nil
	}
	return []reach.Need{reach.Service(reach.Agent, "sqs")}
}

// api is Prefect's API, if there is one.
func (n needs) api(who string, proxy proxies) []reach.Need {
	if n.env.Prefect == nil {
		return nil
	}
	d := at("Prefect's API", n.env.Prefect.APIURL)
	if reach.Public(d.Host) {
		d.Instead = "use a Prefect server in reach from the VPC"
	}
	return []reach.Need{through(who, proxy.of(n.env.Prefect.APIURL), d)}
}

// stores are the services that keep secrets.
func stores(who string, list []secret.Ref) (found []reach.Need) {
	for _, r := range list {
		if d := reach.Service(who, r.Service); r.Set() && !slices.Contains(found, d) {
			found = append(found, d)
		}
	}
	return found
}

// packages is the agent's package index.
func (n needs) packages(proxy proxies) reach.Need {
	index := cmp.Or(n.env.Agent.PipIndexURL, "https://pypi.org/simple")
	d := at("the package index", index)
	if reach.Public(d.Host) {
		d.Instead = "set agent.pip_index_url or agent.proxy"
	}
	return through(reach.Agent, proxy.of(index), d)
}

// through puts a proxy in the place of what is behind it.
func through(who, proxy string, d reach.Need) reach.Need {
	if proxy != "" {
		d = at("the proxy", proxy)
	}
	d.Who = who
	return d
}

// at is the host of a URL.
func at(what, text string) reach.Need {
	d := reach.Need{What: what, Host: text, Port: 443}
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
func registry(who, image, instead string) []reach.Need {
	switch {
	case image == "":
		return nil
	case reach.ECR(reach.Registry(image)):
		return []reach.Need{reach.Service(who, "ecr.api"), reach.Service(who, "ecr.dkr")}
	}
	return []reach.Need{reach.Image(who, image, instead)}
}
