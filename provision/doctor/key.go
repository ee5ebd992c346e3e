package doctor

import (
	"context"
	"strings"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/stack"
)

// volumeKey checks the account's key for volumes, with which EC2 encrypts that of an instance if
// the spec names none.
func (d *Doctor) volumeKey(ctx context.Context) []Finding {
	const check = "volume key"
	if d.Env.KMSKey != "" {
		return nil
	}
	s, err := stack.Build(d.Env, d.ID, d.clients, stack.Options{NoPrefect: true})
	if err != nil {
		return []Finding{fail(check, "", "%v", err)}
	}
	_, notes := s.DefaultVolumeKey().Look(ctx)
	return ofNotes(check, notes)
}

// ofNotes are the findings for the notes of a plan.
func ofNotes(check string, notes []provision.Note) (found []Finding) {
	for _, n := range notes {
		what, todo, _ := strings.Cut(n.Text, " → ")
		if n.Severity == provision.Error {
			found = append(found, fail(check, todo, "%s", what))
		} else {
			found = append(found, warn(check, todo, "%s", what))
		}
	}
	return found
}

// kmsKey checks the key of the spec, if it has one, and the key's policy.
func (d *Doctor) kmsKey(ctx context.Context) []Finding {
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
	if found := ofNotes(check, key.CheckUse(have)); len(found) > 0 {
		return found
	}
	return []Finding{ok(check, "%s can be used by all that need it", key.ARN)}
}
