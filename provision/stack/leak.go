package stack

import (
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/spec"
)

// shortestSecret is the length from which a secret is looked for in other values. A shorter one
// may be in them by chance.
const shortestSecret = 8

// checkLeaks reports the secret of the Prefect API in what the agent runs: whoever may describe
// the instance or the task definition can read that, and plans show it. Package spec refuses
// sensitive variables there; but the same text may come from elsewhere, too.
func checkLeaks(env *spec.Environment) (list []spec.Complaint) {
	if env.Agent == nil || env.Prefect == nil {
		return nil
	}
	_, password, _ := strings.Cut(env.Prefect.AuthString, ":")
	secrets := []string{env.Prefect.APIKey, env.Prefect.AuthString, password}
	a := env.Agent
	for _, c := range []struct {
		name  string
		field any
		texts []string
	}{
		{"setup", &a.Setup, []string{a.Setup}}, {"pip_packages", &a.PipPackages, a.PipPackages}, {"pip_index_url", &a.PipIndexURL, []string{a.PipIndexURL}},
		{"labels", &a.Labels, a.Labels}, {"work_queues", &a.WorkQueues, a.WorkQueues}, {"env", &a.Env, valuesOf(a.Env)},
	} {
		if !slices.ContainsFunc(secrets, func(s string) bool { return holds(c.texts, s) }) {
			continue
		}
		list = append(list, spec.Complaint{Fields: []any{c.field}, Summary: "Secret in the agent's script", Detail: "The secret of the Prefect API is in \"" + c.name +
			"\", and whoever may describe the instance or the task definition can read that. → remove it: the agent reads its secret by itself, and a setup script can read others from Parameter Store"})
	}
	return list
}

func holds(texts []string, secret string) bool {
	return len(secret) >= shortestSecret && slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(t, secret) })
}

func valuesOf(m map[string]string) (list []string) {
	for _, v := range m {
		list = append(list, v)
	}
	return list
}
