package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/secret"
)

// Secret is a secret that exists in AWS and that somebody else looks after. flowbed reads it
// only to call Prefect's API, keeps it in memory alone, and writes it nowhere.
type Secret struct {
	SSM            *ssm.Client
	SecretsManager *secretsmanager.Client
	Ref            secret.Ref
	Attribute      string // of the config file, for messages

	Learned func(secret string) // is told the value before it is used; may be nil
}

// Read returns the value. An error never contains it. It does not say that an object is
// absent: nothing that flowbed waits for would create the secret.
func (s Secret) Read(ctx context.Context) (string, error) {
	value, err := s.fetch(ctx)
	if err == nil && s.Ref.Key != "" {
		value, err = s.member(value)
	}
	if err != nil {
		return "", err
	}
	value = strings.TrimSpace(value) // as the agent reads it
	if s.Learned != nil {
		s.Learned(value)
	}
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", s.failed("the value is empty or has control characters", "correct the secret")
	}
	return value, nil
}

func (s Secret) fetch(ctx context.Context) (string, error) {
	id := s.Ref.ARN()
	if s.Ref.Service == secret.SSM {
		out, err := s.SSM.GetParameter(ctx, &ssm.GetParameterInput{Name: &id, WithDecryption: new(true)},
			func(o *ssm.Options) { o.Region = s.Ref.Region })
		if err != nil {
			return "", s.refused(err)
		}
		return deref(deref(out.Parameter).Value), nil
	}
	in := &secretsmanager.GetSecretValueInput{SecretId: &id}
	if s.Ref.Stage != "" {
		in.VersionStage = &s.Ref.Stage
	}
	if s.Ref.Version != "" {
		in.VersionId = &s.Ref.Version
	}
	out, err := s.SecretsManager.GetSecretValue(ctx, in, func(o *secretsmanager.Options) { o.Region = s.Ref.Region })
	if err != nil {
		return "", s.refused(err)
	}
	return deref(out.SecretString), nil
}

// member returns the text under a key of a secret's JSON.
func (s Secret) member(value string) (string, error) {
	var members map[string]any
	if json.Unmarshal([]byte(value), &members) != nil {
		return "", s.failed("the secret is no JSON", "leave the key out of "+s.Attribute+", or correct the secret")
	}
	text, ok := members[s.Ref.Key].(string)
	if !ok {
		return "", s.failed(fmt.Sprintf("its JSON has no text under %q", s.Ref.Key), "correct "+s.Attribute+" or the secret")
	}
	return text, nil
}

// refused is the error of a call. Its hint says what to do.
func (s Secret) refused(err error) error {
	switch code := awserr.Code(err); {
	case code == "InvalidRequestException": // of Secrets Manager alone
		return s.failed("it is scheduled for deletion", "restore it, or correct "+s.Attribute+" in the file")
	case awserr.Classify(err) == awserr.Absent, code == "ResourceNotFoundException":
		return s.failed("it does not exist", "create it, or correct "+s.Attribute+" in the file")
	case awserr.Classify(err) == awserr.Denied:
		actions := secret.Rights(secret.ByCall, s.Ref)[0].Actions[0]
		return &advised{fmt.Errorf("read the secret of the Prefect API, %s: %w", s.Ref.ValueFrom(), err),
			"flowbed must read it to call the API: allow " + actions + " (and kms:Decrypt, if a customer key encrypts it) to whoever runs flowbed; `flowbed policy` prints the policy"}
	}
	return fmt.Errorf("read the secret of the Prefect API, %s: %w", s.Ref.ValueFrom(), err)
}

func (s Secret) failed(why, todo string) error {
	return &advised{fmt.Errorf("read the secret of the Prefect API, %s: %s", s.Ref.ValueFrom(), why), todo}
}

// Permissions are what Read needs.
func (s Secret) Permissions() Permissions { return Permissions{Read: reading(s.Ref)} }

// reading are the permissions to read a secret. AWS checks that to decrypt as a part of the
// call, and only if a customer key encrypts the secret.
func reading(ref secret.Ref) (list []Permission) {
	for _, r := range secret.Rights(secret.ByCall, ref) {
		p := Permission{Actions: r.Actions, Resources: r.Resources}
		for key, values := range r.Condition {
			p = p.when("StringEquals", key, values...)
		}
		if r.Condition != nil {
			p = p.implied("AWS checks it if a customer key encrypts the secret").
				like(strings.TrimSuffix(r.Resources[0], "*") + "00000000-0000-4000-8000-000000000000")
		}
		list = append(list, p)
	}
	return list
}
