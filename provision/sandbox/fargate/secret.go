package fargate

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// readSecrets reads what the definition names as secrets, as the execution role, each in the
// region of its ARN. The words are ECS's:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html
func (t *task) readSecrets() error {
	t.secrets = map[string]string{}
	for _, variable := range core.SortedKeys(t.Secrets) {
		from := strings.SplitN(t.Secrets[variable], ":", 6) // arn, partition, service, region, account, object
		read, region := t.parameter, t.Region
		kind, store := "secrets from ssm", "ssm"
		if len(from) == 6 {
			if region = from[3]; from[2] == "secretsmanager" {
				read, kind, store = t.secret, "secret from asm", "secretsmanager"
			}
		}
		if !t.reaches(store+"."+region+".amazonaws.com", 443) {
			return sayf("unable to retrieve %s: service call has been retried 5 time(s): RequestCanceled: request context canceled caused by: context deadline exceeded", kind)
		}
		value, err := read(t.call.In(region), t.Secrets[variable])
		if err != nil {
			return sayf("unable to retrieve %s: %v", kind, err)
		}
		t.secrets[variable] = value
	}
	return nil
}

// parameter reads a parameter by its name or its ARN. ECS takes the name out of the ARN: one
// that has more than one part begins with a slash.
func (t *task) parameter(r *core.Request, from string) (string, error) {
	name := from
	if _, rest, ok := strings.Cut(from, ":parameter/"); ok && strings.HasPrefix(from, "arn:") {
		if name = rest; strings.Contains(rest, "/") {
			name = "/" + rest
		}
		if !strings.Contains(from, ":"+r.AccountID+":") {
			return "", sayf("service call has been retried 1 time(s): AccessDeniedException: User: %s is not authorized to perform: ssm:GetParameters on resource: %s", t.who.ARN, from)
		}
	}
	out, err := t.in(r, &ssm.GetParametersInput{Names: []string{name}, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", sayf("service call has been retried 1 time(s): %v", err)
	}
	found := out.(*ssm.GetParametersOutput)
	if len(found.InvalidParameters) > 0 {
		return "", sayf("invalid ssm parameters: %s", strings.Join(found.InvalidParameters, ", "))
	}
	return aws.ToString(found.Parameters[0].Value), nil
}

// secret reads a secret, or one key of its JSON. After the ARN stand the key, the stage and
// the version, with all three colons.
func (t *task) secret(r *core.Request, from string) (string, error) {
	parts := strings.Split(from, ":")
	if len(parts) != 7 && len(parts) != 10 {
		return "", sayf("unexpected ARN format with parameters when trying to retrieve ASM secret")
	}
	id := strings.Join(parts[:7], ":")
	in := &secretsmanager.GetSecretValueInput{SecretId: &id}
	key := ""
	if len(parts) == 10 {
		key = parts[7]
		in.VersionStage, in.VersionId = optional(parts[8]), optional(parts[9])
	}
	out, err := t.in(r, in)
	if err != nil {
		return "", sayf("service call has been retried 1 time(s): failed to fetch secret %s from secrets manager: %v", id, err)
	}
	value := aws.ToString(out.(*secretsmanager.GetSecretValueOutput).SecretString)
	if key == "" {
		return value, nil
	}
	var members map[string]any
	if json.Unmarshal([]byte(value), &members) != nil {
		return "", sayf("retrieved secret from Secrets Manager was not a valid JSON")
	}
	member, ok := members[key].(string)
	if !ok {
		return "", sayf("retrieved secret from Secrets Manager did not contain json key %s", key)
	}
	return member, nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// in makes a call in a region as the execution role.
func (t *task) in(r *core.Request, in any) (any, error) {
	there := *t
	there.call = r
	return there.as(t.who, in)
}
