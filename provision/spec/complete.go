package spec

import (
	"net/netip"
	"strings"

	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/prefect"
)

// The names that several environments, and people, of one account may share.
const (
	AccountExecutionRole = names.AccountExecutionRole
	AccountCluster       = names.AccountCluster
)

// DefaultPrefectVersion is the version of Prefect that an agent runs by default.
const DefaultPrefectVersion = "3.9.1"

// complete fills in all defaults and normalizes values the way AWS does.
func (e *Environment) complete(p Place) {
	fill(&e.Bucket)
	fill(&e.TaskRole)
	fill(&e.ExecutionRole)
	fill(&e.Cluster)
	fill(&e.Network)
	fill(&e.Logs)
	fill(&e.Flows)
	n := p.names(e.Name)
	if e.TTL != "" { // it comes and goes, so it shares nothing
		or(&e.ExecutionRole.Name, n.ExecutionRole())
		or(&e.Cluster.Name, n.Plain())
	}
	if e.IAM != nil { // nobody decides for others on the path and the boundary of a role
		or(&e.ExecutionRole.Name, n.ExecutionRole())
	}
	for b := range blocks[completer](e) {
		b.complete(n)
	}
}

func (r *ExecutionRole) complete(names.Names) {
	switch r.Name {
	case "": // the choice between the account's role and one of its own is package stack's
		r.Name = AccountExecutionRole
	case AccountExecutionRole:
		or(&r.Ownership, Shared)
	default:
		or(&r.Ownership, "own")
	}
}

// Shared is the ownership of the account's execution role if the file names it and says
// nothing of its ownership. It is no word of the language.
const Shared = "shared"

func (c *Cluster) complete(names.Names) {
	or(&c.Name, AccountCluster)
	if c.Name != AccountCluster {
		or(&c.Ownership, "own")
	}
	if len(c.CapacityProviders) == 0 {
		c.CapacityProviders = []string{"FARGATE", "FARGATE_SPOT"}
	}
}

func (l *Logs) complete(n names.Names) {
	or(&l.Name, n.LogGroup())
	or(&l.RetentionDays, 30)
}

// Defaults returns the environment that a file with an empty environment block
// describes.
func Defaults(name string, p Place) Environment {
	d := Environment{Name: name, Region: p.Region, Account: p.Account}
	d.complete(p)
	return d
}

func (b *Bucket) complete(n names.Names) {
	or(&b.Namespace, "account-regional")
	if b.Namespace == "global" {
		or(&b.Name, n.GlobalBucket())
	}
	or(&b.Name, n.Bucket())
	b.AccessLogs.complete(b)
	or(&b.Ownership, "own")
	if b.Versioning == nil {
		b.Versioning = new(true)
	}
}

func (r *TaskRole) complete(n names.Names) {
	or(&r.Name, n.TaskRole())
	or(&r.S3, "bucket")
	or(&r.ECR, "pull")
	or(&r.Ownership, "own")
}

func (a *Agent) complete(names.Names) {
	if a.Service != nil {
		a.Service.complete()
		return
	}
	or(&a.InstanceType, "t2.micro")
	or(&a.Image, "al2023")
	or(&a.VolumeGiB, 16)
	if r := a.Role; r != nil {
		or(&r.Ownership, "own")
		or(&r.InstanceProfile, r.Name)
	}
	a.Proxy = strings.TrimSuffix(a.Proxy, "/")
	for i, p := range a.PipPackages {
		a.PipPackages[i] = strings.ReplaceAll(p, " ", "") // where a shell splits the list, it splits at spaces
	}
	if s := a.SSH; s != nil {
		or(&s.CIDR, "auto")
		if p, err := netip.ParsePrefix(s.CIDR); err == nil {
			s.CIDR = p.Masked().String() // as EC2 stores it
		}
		s.PublicKey = strings.TrimSpace(s.PublicKey)
	}
}

func (p *Prefect) complete(n names.Names) {
	or(&p.Version, DefaultPrefectVersion)
	if kindOf(p.Version) != prefect.Agent1 {
		or(&p.WorkPool, n.Plain())
	}
	if p.Events == nil {
		p.Events = new(kindOf(p.Version) == prefect.Worker3)
	}
	p.APIURL = strings.TrimRight(p.APIURL, "/")
	p.CAFile, _ = certificates(p.CAFile)
}

func fill[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

func or[T comparable](p *T, fallback T) {
	var zero T
	if *p == zero {
		*p = fallback
	}
}
