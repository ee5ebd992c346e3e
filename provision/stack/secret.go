package stack

import (
	"slices"

	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/secret"
	"github.com/flowbed/flowbed/provision/spec"
)

// ownParameter refers to the parameter that flowbed makes for the secret of the Prefect API. The
// key is the one of the spec that encrypts it; it may be empty.
func ownParameter(partition string, n names.Names, key string) secret.Ref {
	r := secret.Parameter(partition, n.Region, n.Account, n.APIKey())
	r.Ours, r.KMS = true, key
	return r
}

// apiSecret says where the agent and the tasks find the secret of the Prefect API. The zero
// value means that the API requires none.
//
// It is all that whoever runs an agent or a task needs: where ECS finds the secret (ValueFrom),
// and with secret.Rights what may read it.
func apiSecret(env *spec.Environment, partition string) secret.Ref {
	p := env.Prefect
	if p == nil || !p.HasSecret() {
		return secret.Ref{}
	}
	from, _ := p.SecretFrom()
	if from == "" {
		return ownParameter(partition, names.Names{Env: env.Name, Account: env.Account, Region: env.Region}, env.KMSKey)
	}
	if r, err := secret.Parse(from); err == nil {
		return r
	}
	return secret.Parameter(partition, env.Region, env.Account, from)
}

// existingSecret is the secret of the API if it is one that exists, which flowbed itself reads
// to call the API; otherwise the zero value.
func existingSecret(env *spec.Environment, partition string) secret.Ref {
	if r := apiSecret(env, partition); !r.Ours {
		return r
	}
	return secret.Ref{}
}

func (s *Stack) existingSecret() secret.Ref { return existingSecret(s.env, s.id.Partition) }

// APISettings returns how to reach the Prefect API of an environment, with its secret, or with
// what reads the secret when the first call needs it. It is told to learned, which may be nil.
func APISettings(env *spec.Environment, id resource.Identity, c Clients, learned func(string)) prefect.Config {
	p := env.Prefect
	config := prefect.Config{
		URL: p.APIURL, APIKey: p.APIKey, AuthString: p.AuthString, CA: []byte(p.CAFile), UserAgent: "flowbed/" + id.Version,
	}
	if r := existingSecret(env, id.Partition); r.Set() {
		_, attribute := p.SecretFrom()
		config.Read = resource.Secret{SSM: c.SSM, SecretsManager: c.SecretsManager, Ref: r, Attribute: attribute, Learned: learned}.Read
		config.Basic = p.Basic()
	}
	return config
}

func (s *Stack) apiSecret() secret.Ref { return apiSecret(s.env, s.id.Partition) }

// taskSecrets are the secrets that ECS reads for the tasks of flows. For down, they are the
// parameter that an earlier spec may have had: down removes the rights to read whatever there
// was.
//
// The agent of Prefect 1 passes the key to its tasks. In a service, it is a task itself.
func (s *Stack) taskSecrets() (list []secret.Ref) {
	if s.o.Destroy {
		return []secret.Ref{ownParameter(s.id.Partition, s.id.Names(), s.env.KMSKey)}
	}
	return taskSecrets(s.env, s.version, s.id.Partition)
}

func taskSecrets(env *spec.Environment, version prefect.Version, partition string) (list []secret.Ref) {
	old := version.Kind() == prefect.Agent1
	if r := apiSecret(env, partition); r.Set() && (!old || env.Agent != nil && env.Agent.Service != nil) {
		list = append(list, r)
	}
	if env.Prefect != nil && !old {
		list = append(list, flowSecrets(env)...)
	}
	return list
}

// flowSecrets are the secrets of the spec's flows block, in the order of their ARNs.
func flowSecrets(env *spec.Environment) (list []secret.Ref) {
	var texts []string
	for _, text := range env.Flows.Secrets {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	for _, text := range texts {
		if r, err := secret.Parse(text); err == nil { // package spec has checked it
			list = append(list, r)
		}
	}
	return list
}
