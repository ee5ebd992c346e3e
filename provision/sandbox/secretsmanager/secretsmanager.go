// Package secretsmanager is the sandbox's Secrets Manager: secrets with their versions and
// stages, and their deletion, for which they wait. It asks no other service.
//
// A value is never saved: a later run of the program finds the secret, and a stand-in for
// its value.
package secretsmanager

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

var service = core.NewService("secretsmanager", func(r *core.Request) *request { return &request{r} }, core.Rules{})

var part = core.Regional("secretsmanager",
	func(string) *database { return &database{} },
	func(_ *core.Request, d *database) any {
		return core.Without(d.Secrets, func(s *secret) bool { return !s.Deleted.IsZero() })
	})

// request is a call in the hands of one of Secrets Manager's operations.
type request struct{ *core.Request }

// database is a region's part of Secrets Manager.
type database struct {
	Secrets map[string]*secret `json:"secrets,omitempty"` // by name
}

type secret struct {
	Name     string    `json:"name"`
	ARN      string    `json:"arn"`
	Key      string    `json:"key,omitempty"` // a KMS key
	Versions []version `json:"versions"`
	Deleted  time.Time `json:"deleted,omitzero"` // when it was scheduled for deletion
}

type version struct {
	ID     string   `json:"id"`
	Stages []string `json:"stages,omitempty"`
}

// NotKept is the value of a secret that was made by another run of the program.
const NotKept = "(not kept by the sandbox)"

// values has the values of this run, by ARN and version.
var values = new(core.Memory[map[string]string])

func (r *request) db() *database {
	d := part.In(r.Request)
	if d.Secrets == nil { // new, or empty when it was saved
		d.Secrets = map[string]*secret{}
	}
	return d
}

func init() {
	core.Register(service, createSecret, createAccess)
	core.Register(service, putSecretValue, idAccess)
	core.Register(service, getSecretValue, getAccess)
	core.Register(service, deleteSecret, idAccess)
}

// What AWS looks at for the calls of Secrets Manager:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html

func createAccess(r *request, a core.Access, in *secretsmanager.CreateSecretInput) []core.Access {
	return a.To(r.arn(aws.ToString(in.Name)))
}

func idAccess[I any](r *request, a core.Access, in *I) []core.Access {
	id := core.Text(in, "SecretId")
	switch s := r.find(id); {
	case s != nil:
		return a.To(s.ARN)
	case strings.HasPrefix(id, "arn:"):
		return a.To(id)
	}
	return a.To(r.ARN("secretsmanager", r.Region, "secret:"+id))
}

// getAccess also covers the key that encrypts a secret. Everybody in the account may use the
// key of Secrets Manager itself. The encryption context names the secret:
// https://docs.aws.amazon.com/kms/latest/developerguide/services-secrets-manager.html
func getAccess(r *request, a core.Access, in *secretsmanager.GetSecretValueInput) []core.Access {
	all := idAccess(r, a, in)
	s := r.find(aws.ToString(in.SecretId))
	if s == nil || s.Key == "" {
		return all
	}
	return append(all, a.WithAction("kms:Decrypt").WithResource(s.Key).
		WithContext("kms:ViaService", "secretsmanager."+r.Region+".amazonaws.com").
		WithContext("kms:EncryptionContext:SecretARN", s.ARN))
}

// arn is the ARN of a secret. Secrets Manager adds six characters to the name.
func (r *request) arn(name string) string {
	sum := sha256.Sum256([]byte(r.AccountID + r.Region + name))
	return r.ARN("secretsmanager", r.Region, "secret:"+name+"-"+hex.EncodeToString(sum[:])[:6])
}

// find finds a secret by its name, its ARN, or its ARN without the characters at the end.
func (r *request) find(id string) *secret {
	for _, s := range r.db().Secrets {
		if id == s.Name || id == s.ARN || id == s.ARN[:len(s.ARN)-7] {
			return s
		}
	}
	return nil
}

func notFound() error {
	return &types.ResourceNotFoundException{Message: aws.String("Secrets Manager can't find the specified secret.")}
}

// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
var nameChars = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`)

func createSecret(r *request, in *secretsmanager.CreateSecretInput) (*secretsmanager.CreateSecretOutput, error) {
	name := aws.ToString(in.Name)
	switch s := r.db().Secrets[name]; {
	case !nameChars.MatchString(name):
		return nil, core.Fail("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	case s != nil && !s.Deleted.IsZero():
		return nil, &types.InvalidRequestException{Message: aws.String(
			"You can't create this secret because a secret with this name is already scheduled for deletion.")}
	case s != nil:
		return nil, &types.ResourceExistsException{Message: aws.String("The operation failed because the secret " + name + " already exists.")}
	}
	s := &secret{Name: name, ARN: r.arn(name)}
	if key := aws.ToString(in.KmsKeyId); key != "" && key != "alias/aws/secretsmanager" {
		if s.Key = key; !strings.HasPrefix(key, "arn:") {
			s.Key = r.ARN("kms", r.Region, "key/"+key)
		}
	}
	r.db().Secrets[name] = s
	out := &secretsmanager.CreateSecretOutput{ARN: &s.ARN, Name: &s.Name}
	if in.SecretString != nil {
		out.VersionId = aws.String(r.put(s, *in.SecretString))
	}
	return out, nil
}

// put makes a value the current one. The one before becomes the previous one.
func (r *request) put(s *secret, value string) (id string) {
	id = fmt.Sprintf("00000000-0000-4000-8000-%012x", r.Next())
	for i := range s.Versions {
		v := &s.Versions[i]
		current := slices.Contains(v.Stages, "AWSCURRENT")
		if v.Stages = nil; current {
			v.Stages = []string{"AWSPREVIOUS"}
		}
	}
	s.Versions = append(s.Versions, version{id, []string{"AWSCURRENT"}})
	known := values.Of(r.Request)
	if *known == nil {
		*known = map[string]string{}
	}
	(*known)[s.ARN+" "+id] = value
	return id
}

func putSecretValue(r *request, in *secretsmanager.PutSecretValueInput) (*secretsmanager.PutSecretValueOutput, error) {
	s, err := r.active(in.SecretId, "You can't perform this operation on the secret because it was marked for deletion.")
	if err != nil {
		return nil, err
	}
	id := r.put(s, aws.ToString(in.SecretString))
	return &secretsmanager.PutSecretValueOutput{ARN: &s.ARN, Name: &s.Name, VersionId: &id, VersionStages: []string{"AWSCURRENT"}}, nil
}

// active finds a secret that is not scheduled for deletion.
func (r *request) active(id *string, otherwise string) (*secret, error) {
	s := r.find(aws.ToString(id))
	if s == nil {
		return nil, notFound()
	}
	if !s.Deleted.IsZero() {
		return nil, &types.InvalidRequestException{Message: &otherwise}
	}
	return s, nil
}

func getSecretValue(r *request, in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
	s, err := r.active(in.SecretId, "You can't perform this operation on the secret because it was marked for deletion.")
	if err != nil {
		return nil, err
	}
	stage, id := aws.ToString(in.VersionStage), aws.ToString(in.VersionId)
	if stage == "" && id == "" {
		stage = "AWSCURRENT"
	}
	for _, v := range s.Versions {
		if id != "" && v.ID != id || stage != "" && !slices.Contains(v.Stages, stage) {
			continue
		}
		value, ok := (*values.Of(r.Request))[s.ARN+" "+v.ID]
		if !ok {
			value = NotKept
		}
		return &secretsmanager.GetSecretValueOutput{ARN: &s.ARN, Name: &s.Name, VersionId: &v.ID, VersionStages: v.Stages, SecretString: &value}, nil
	}
	what := "staging label: " + stage
	if id != "" {
		what = "VersionId: " + id
	}
	return nil, &types.ResourceNotFoundException{Message: aws.String("Secrets Manager can't find the specified secret value for " + what)}
}

// deleteSecret schedules the deletion. Until it is over, the name is taken.
func deleteSecret(r *request, in *secretsmanager.DeleteSecretInput) (*secretsmanager.DeleteSecretOutput, error) {
	s := r.find(aws.ToString(in.SecretId))
	if s == nil {
		return nil, notFound()
	}
	if aws.ToBool(in.ForceDeleteWithoutRecovery) {
		delete(r.db().Secrets, s.Name)
	} else {
		s.Deleted = r.Now
	}
	return &secretsmanager.DeleteSecretOutput{ARN: &s.ARN, Name: &s.Name, DeletionDate: aws.Time(r.Now.Add(30 * 24 * time.Hour))}, nil
}
