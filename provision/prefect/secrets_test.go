package prefect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secretsOf are the secrets in the container definition of a template, in their order.
func secretsOf(t Template, path ...any) (names []string) {
	if path == nil {
		path = containerSecrets()
	}
	line, _ := lookup(map[string]any(t), path)
	l, _ := line.([]any)
	for _, e := range l {
		m, _ := e.(map[string]any)
		names = append(names, Text(m["name"])+"="+Text(m["valueFrom"]))
	}
	return names
}

func theirSecret() map[string]any {
	return map[string]any{"name": "THEIRS", "valueFrom": "arn:theirs"}
}

// TestSecretsBesideTheirs: what somebody has put into the list stays, where it was.
func TestSecretsBesideTheirs(t *testing.T) {
	for _, k := range []Kind{Worker3, Worker2} {
		have := apply(k, Flows{}, nil)
		was := secretsOf(have)
		line, _ := lookup(map[string]any(have), containerSecrets())
		l, _ := line.([]any)
		put(map[string]any(have), containerSecrets(), append(l, theirSecret()))
		with := apply(k, Flows{Secrets: map[string]string{"PASSWORD": password}}, have)
		if diff := cmp.Diff(append(was, "THEIRS=arn:theirs", "PASSWORD="+password), secretsOf(with)); diff != "" {
			t.Errorf("with a secret:\n%s", diff)
		}
		if diff := cmp.Diff(have, apply(k, Flows{}, with)); diff != "" {
			t.Errorf("without it again (-before +after):\n%s", diff)
		}
	}
}

// TestSecretsOfAVariable: a list that deployments can replace stays one.
func TestSecretsOfAVariable(t *testing.T) {
	for _, k := range []Kind{Worker3, Worker2} {
		have := apply(k, Flows{}, nil)
		put(map[string]any(have), containerSecrets(), "{{ container_secrets }}")
		at := []any{"variables", "properties", "container_secrets", "default"}
		put(map[string]any(have), at, []any{theirSecret()})
		with := apply(k, Flows{Secrets: map[string]string{"PASSWORD": password}}, have)
		want := []string{"THEIRS=arn:theirs", "PASSWORD=" + password}
		if k == Worker2 {
			want = []string{"THEIRS=arn:theirs", "PREFECT_API_KEY=" + defaults(k).SecretARN, "PASSWORD=" + password}
		}
		if diff := cmp.Diff(want, secretsOf(with, at...)); diff != "" {
			t.Errorf("with a secret:\n%s", diff)
		}
		if line, _ := lookup(map[string]any(with), containerSecrets()); line != "{{ container_secrets }}" {
			t.Errorf("the list is %v", line)
		}
		if got := secretsOf(apply(k, Flows{}, with), at...); len(got) != len(want)-1 {
			t.Errorf("without it again: %v", got)
		}
	}
}

// TestNameInBothLists: a name moves between env and secrets, whoever has set it, because ECS
// refuses a container that has it twice.
func TestNameInBothLists(t *testing.T) {
	env, secret := Flows{Env: map[string]string{"PASSWORD": "x"}}, Flows{Secrets: map[string]string{"PASSWORD": password}}
	for _, k := range []Kind{Worker3, Worker2} {
		fresh := apply(k, Flows{}, nil)
		for name, c := range map[string]struct{ have, want Template }{
			"ours in env":       {apply(k, env, fresh), apply(k, secret, fresh)},
			"ours in secrets":   {apply(k, secret, fresh), apply(k, env, fresh)},
			"theirs in env":     {withDefault(fresh, "env.PASSWORD", "theirs"), apply(k, secret, fresh)},
			"theirs in secrets": {withDefault(fresh, "secrets.PASSWORD", "theirs"), apply(k, env, fresh)},
		} {
			flows, other := secret, "env.PASSWORD"
			if name == "ours in secrets" || name == "theirs in secrets" {
				flows, other = env, "secrets.PASSWORD"
			}
			got := apply(k, flows, c.have)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +have):\n%s", name, diff)
			}
			d := defaults(k)
			d.Flows = flows
			why := ""
			for _, e := range d.Entries(c.have) {
				if e.Name == other && why == "" {
					why = e.Why
				}
			}
			if want := map[bool]string{true: whyTwice, false: whyUnsaid}[name[0] == 't']; why != want {
				t.Errorf("%s: %s goes because %q, want %q", name, other, why, want)
			}
		}
	}
}
