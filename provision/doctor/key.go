package doctor

import (
	"context"
	"strings"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/stack"
)

// kmsKey checks the key of the spec, if it has one, and the key's policy.
func (d *Doctor) kmsKey(ctx context.Context) (found []Finding) {
	const check = "kms key"
	if d.Env.KMSKey == "" {
		return nil
	}
	s, err := stack.Build(d.Env, d.ID, d.clients, stack.Options{NoPrefect: true})
	if err != nil {
		return []Finding{fail(check, "", "%v", err)}
	}
	key := s.KMSKey()
	have, err := key.Read(ctx)
	switch {
	case err != nil && awserr.Classify(err) != awserr.Unknown:
		return []Finding{unseen(check, err)}
	case err != nil:
		return []Finding{fail(check, "", "%s", said(err))} // the error tells what to do
	}
	for _, n := range key.CheckUse(have) {
		what, todo, _ := strings.Cut(n.Text, " → ")
		if n.Severity == provision.Error {
			found = append(found, fail(check, todo, "%s", what))
		} else {
			found = append(found, warn(check, todo, "%s", what))
		}
	}
	if len(found) == 0 {
		found = []Finding{ok(check, "%s can be used by all that need it", key.ARN)}
	}
	return found
}
