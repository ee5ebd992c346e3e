// Package secret names the secrets that exist in AWS: parameters of Systems Manager and
// secrets of Secrets Manager. It says where ECS, an agent or flowbed finds a value, and what
// whoever reads it must be allowed to do. It reads nothing itself, and never has a value.
package secret

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The services that keep secrets.
const (
	SSM            = "ssm"
	SecretsManager = "secretsmanager"
)

// Ref says where a secret is. The zero value is none.
type Ref struct {
	Partition, Service, Region, Account string

	// Name is the name of a parameter without a leading slash, as in its ARN, or that of a
	// secret with the six characters that Secrets Manager adds.
	Name string

	// Key, Stage and Version select a part of a secret in Secrets Manager: a key of its JSON,
	// a version stage such as AWSPREVIOUS, or a version. All may be empty.
	Key, Stage, Version string

	// Ours means that it is the parameter that flowbed makes. The key of Systems Manager
	// encrypts it, which everybody in the account may use, unless KMS is set.
	Ours bool

	// KMS is the ARN of the customer key that encrypts the secret; empty if it is not known, or
	// if there is none.
	KMS string
}

var (
	arn = regexp.MustCompile(`^arn:(aws[a-z-]*):(ssm|secretsmanager):([a-z0-9-]+):([0-9]{12}):(parameter/|secret:)(.*)$`)

	// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
	parameterName = regexp.MustCompile(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$`)
	plainName     = regexp.MustCompile(`^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$`)

	// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
	secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]+$`)
	suffixed   = regexp.MustCompile(`^.+-[A-Za-z0-9]{6}$`)
	part       = regexp.MustCompile(`^[A-Za-z0-9_+=.@!/-]*$`)
)

// The reasons why a text does not name a secret.
var (
	errForm = errors.New("is not the ARN of an SSM parameter or of a secret in Secrets Manager")
	errName = errors.New("is not the ARN of an SSM parameter: a name has letters, digits and _.-/")
	errTail = errors.New("lacks the six characters with which the ARN of a secret ends")
	errPart = errors.New("has a wrong number of colons: after the ARN of a secret, there are a JSON key, a version stage and a version id, with all three colons, each of which may be empty")
	errBoth = errors.New("has both a version stage and a version id, and they exclude each other")
)

// Parse parses the ARN of a parameter or of a secret, in the forms that ECS takes. The error
// continues a sentence about the text.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
func Parse(text string) (Ref, error) {
	m := arn.FindStringSubmatch(text)
	if m == nil || (m[2] == SSM) != (m[5] == "parameter/") {
		return Ref{}, errForm
	}
	r := Ref{Partition: m[1], Service: m[2], Region: m[3], Account: m[4], Name: m[6]}
	if r.Service == SSM {
		if !parameterName.MatchString(r.Name) {
			return Ref{}, errName
		}
		return r, nil
	}
	parts := strings.Split(r.Name, ":")
	r.Name = parts[0]
	switch {
	case !secretName.MatchString(r.Name):
		return Ref{}, errForm
	case !suffixed.MatchString(r.Name):
		return Ref{}, errTail
	case len(parts) == 1:
		return r, nil
	case len(parts) != 4:
		return Ref{}, errPart
	}
	for _, p := range parts[1:] {
		if !part.MatchString(p) {
			return Ref{}, errForm
		}
	}
	if r.Key, r.Stage, r.Version = parts[1], parts[2], parts[3]; r.Stage != "" && r.Version != "" {
		return Ref{}, errBoth
	}
	return r, nil
}

// IsName reports whether a text may be the name of a parameter.
func IsName(text string) bool { return plainName.MatchString(text) && len(text) <= 1011 }

// Parameter returns the reference to a parameter, given its name.
func Parameter(partition, region, account, name string) Ref {
	return Ref{Partition: partition, Service: SSM, Region: region, Account: account, Name: strings.TrimPrefix(name, "/")}
}

// Set reports whether there is a secret.
func (r Ref) Set() bool { return r.Name != "" }

// ARN is the ARN of the parameter or of the whole secret, as policies have it.
func (r Ref) ARN() string {
	object := "secret:"
	if r.Service == SSM {
		object = "parameter/"
	}
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s%s", r.Partition, r.Service, r.Region, r.Account, object, r.Name)
}

// ValueFrom is what ECS calls valueFrom.
func (r Ref) ValueFrom() string {
	if r.Key == "" && r.Stage == "" && r.Version == "" {
		return r.ARN()
	}
	return strings.Join([]string{r.ARN(), r.Key, r.Stage, r.Version}, ":")
}

// Right is the permission to do something with objects.
type Right struct {
	Actions   []string
	Resources []string

	// Condition has condition keys and their values, which must be equal. It is nil if there is
	// no condition.
	Condition map[string][]string
}

// Reader says how the value is read.
type Reader int

// ECS reads parameters with GetParameters, and everybody else with GetParameter.
const (
	ByCall Reader = iota
	ByECS
)

// Rights returns what whoever reads these secrets needs: to read exactly them, and to decrypt
// them with whatever customer key encrypts them. A key is limited by the service through which
// it is used and by the encryption context, which names the secret, so that nobody has to know
// which key it is. AWS's own keys for these services need no permission.
//
// https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
// https://docs.aws.amazon.com/kms/latest/developerguide/services-secrets-manager.html
func Rights(by Reader, refs ...Ref) (list []Right) {
	var parameters, secrets Right
	parameters.Actions, secrets.Actions = []string{"ssm:GetParameter"}, []string{"secretsmanager:GetSecretValue"}
	if by == ByECS {
		parameters.Actions = []string{"ssm:GetParameters"}
	}
	var keys []key
	values := map[key][]string{}
	for _, r := range refs {
		if !r.Set() {
			continue
		}
		into := &secrets
		if r.Service == SSM {
			into = &parameters
		}
		if add(&into.Resources, r.ARN()) && (!r.Ours || r.KMS != "") {
			k := key{r.Partition, r.Service, r.Region, r.Account, r.KMS}
			if values[k] == nil {
				keys = append(keys, k)
			}
			values[k] = append(values[k], r.ARN())
		}
	}
	for _, r := range []Right{parameters, secrets} {
		if len(r.Resources) > 0 {
			list = append(list, r)
		}
	}
	for _, k := range keys {
		list = append(list, k.right(values[k]))
	}
	return list
}

func add(list *[]string, s string) bool {
	for _, have := range *list {
		if have == s {
			return false
		}
	}
	*list = append(*list, s)
	return true
}

// key is where a key encrypts secrets of a service.
type key struct{ partition, service, region, account, arn string }

func (k key) right(arns []string) Right {
	context := "kms:EncryptionContext:SecretARN"
	if k.service == SSM {
		context = "kms:EncryptionContext:PARAMETER_ARN"
	}
	endpoint := k.service + "." + k.region + ".amazonaws.com"
	if k.partition == "aws-cn" {
		endpoint += ".cn"
	}
	return Right{
		Actions:   []string{"kms:Decrypt"},
		Resources: []string{cmp.Or(k.arn, fmt.Sprintf("arn:%s:kms:%s:%s:key/*", k.partition, k.region, k.account))},
		Condition: map[string][]string{"kms:ViaService": {endpoint}, context: arns},
	}
}
