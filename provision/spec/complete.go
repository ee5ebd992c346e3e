package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
)

// The names that several environments, and people, of one account may share.
const (
	AccountExecutionRole = "ecsTaskExecutionRole"
	AccountCluster       = "default"
)

// DefaultPrefectVersion is the version of Prefect that an agent runs by default.
const DefaultPrefectVersion = "3.9.1"

// complete fills in all defaults and normalizes values the way AWS does.
func (e *Environment) complete(p Place) {
	fill(&e.Bucket).complete(e.Name, p)
	fill(&e.TaskRole).complete(e.Name)

	x := fill(&e.ExecutionRole)
	or(&x.Name, AccountExecutionRole)
	if x.Name != AccountExecutionRole {
		or(&x.Ownership, "own")
	}

	c := fill(&e.Cluster)
	or(&c.Name, AccountCluster)
	if c.Name != AccountCluster {
		or(&c.Ownership, "own")
	}
	if len(c.CapacityProviders) == 0 {
		c.CapacityProviders = []string{"FARGATE", "FARGATE_SPOT"}
	}

	or(&fill(&e.Network).VPC, "default")
	or(&fill(&e.Logs).RetentionDays, 30)
	if e.Agent != nil {
		e.Agent.complete(e.Name)
	}
}

// Defaults returns the environment that a file with an empty environment block
// describes.
func Defaults(name string, p Place) Environment {
	d := Environment{Name: name, Region: p.Region, Account: p.Account}
	d.complete(p)
	return d
}

func (b *Bucket) complete(env string, p Place) {
	or(&b.Namespace, "account-regional")
	or(&b.Name, defaultBucketName(b.Namespace, env, p))
	or(&b.Ownership, "own")
	if b.Versioning == nil {
		b.Versioning = new(true)
	}
}

// defaultBucketName is the same in every run, so that flowbed finds the bucket again
// without storing its name. The account is hashed in the global namespace, because
// everybody can see names there.
func defaultBucketName(namespace, env string, p Place) string {
	if namespace == "global" {
		sum := sha256.Sum256([]byte(p.Account + "/" + p.Region + "/" + env))
		return "flowbed-" + env + "-" + hex.EncodeToString(sum[:6])
	}
	return fmt.Sprintf("flowbed-%s-%s", env, regionalSuffix(p))
}

// regionalSuffix is the end of every name in the account-regional namespace.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func regionalSuffix(p Place) string { return p.Account + "-" + p.Region + "-an" }

func (r *TaskRole) complete(env string) {
	or(&r.Name, "flowbed-"+env+"-task")
	or(&r.S3, "bucket")
	or(&r.ECR, "pull")
	or(&r.Ownership, "own")
}

func (a *Agent) complete(env string) {
	or(&a.InstanceType, "t2.micro")
	or(&a.Image, "al2023")
	or(&a.VolumeGiB, 16)
	if s := a.SSH; s != nil {
		or(&s.CIDR, "auto")
		if p, err := netip.ParsePrefix(s.CIDR); err == nil {
			s.CIDR = p.Masked().String() // as EC2 stores it
		}
		s.PublicKey = strings.TrimSpace(s.PublicKey)
	}
	if p := a.Prefect; p != nil {
		or(&p.Version, DefaultPrefectVersion)
		if kindOf(p.Version) != prefect.Agent1 {
			or(&p.WorkPool, "flowbed-"+env)
		}
		p.APIURL = strings.TrimRight(p.APIURL, "/")
		p.CAFile, _ = certificates(p.CAFile)
	}
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
