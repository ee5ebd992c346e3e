package secretsmanager_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

const home = "eu-central-1"

// get reads a value; the empty text if there is an error.
func get(t *testing.T, api *secretsmanager.Client, id, stage, want string) (value string) {
	t.Helper()
	in := &secretsmanager.GetSecretValueInput{SecretId: &id}
	if stage != "" {
		in.VersionStage = &stage
	}
	out, err := api.GetSecretValue(t.Context(), in)
	try.WantCode(t, err, want)
	if err != nil {
		return ""
	}
	return aws.ToString(out.SecretString)
}

func TestSecret(t *testing.T) {
	a := sandbox.New()
	api := secretsmanager.NewFromConfig(a.Config(home))
	create := func(name, value, want string) string {
		t.Helper()
		out, err := api.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value})
		try.WantCode(t, err, want)
		if err != nil {
			return ""
		}
		return aws.ToString(out.ARN)
	}
	arn := create("team/db", "one", "")
	if !strings.HasPrefix(arn, "arn:aws:secretsmanager:"+home+":"+sandbox.DefaultAccount+":secret:team/db-") || len(arn) != len("arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/db-AbCdEf") {
		t.Errorf("the ARN is %s", arn)
	}
	create("team/db", "two", "ResourceExistsException")
	create("a b", "two", "ValidationException")
	for _, id := range []string{arn, "team/db", arn[:len(arn)-7]} {
		if have := get(t, api, id, "", ""); have != "one" {
			t.Errorf("%s is %q", id, have)
		}
	}
	get(t, api, arn, "AWSPREVIOUS", "ResourceNotFoundException")
	get(t, api, "other", "", "ResourceNotFoundException")
	try.Must(api.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: aws.String("two")}))
	if now, before := get(t, api, arn, "", ""), get(t, api, arn, "AWSPREVIOUS", ""); now != "two" || before != "one" {
		t.Errorf("the value is %q, before %q", now, before)
	}
	elsewhere := secretsmanager.NewFromConfig(a.Config("us-east-1"))
	get(t, elsewhere, "team/db", "", "ResourceNotFoundException")
	if len(a.Inventory()) != 1 {
		t.Errorf("the inventory is %v", a.Inventory())
	}
	try.Must(api.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &arn}))
	get(t, api, arn, "", "InvalidRequestException")
	create("team/db", "three", "InvalidRequestException")
	if len(a.Inventory()) > 0 {
		t.Errorf("the inventory is %v after the deletion", a.Inventory())
	}
	try.Must(api.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &arn, ForceDeleteWithoutRecovery: aws.Bool(true)}))
	create("team/db", "four", "")
	get(t, api, "team/db", "", "")
}

// TestNotSaved: another run of the program does not find the value, nor does a person in the
// file.
func TestNotSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.json")
	a := try.Must(sandbox.Load(path))
	api := secretsmanager.NewFromConfig(a.Config(home))
	try.Must(api.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("db"), SecretString: aws.String("5entine1")}))
	try.OK(a.Save(path))
	if raw := try.Must(os.ReadFile(path)); strings.Contains(string(raw), "5entine1") {
		t.Errorf("the file has the value: %s", raw)
	}
	again := secretsmanager.NewFromConfig(try.Must(sandbox.Load(path)).Config(home))
	if have := get(t, again, "db", "", ""); have != "(not kept by the sandbox)" {
		t.Errorf("have %q", have)
	}
}

// TestCustomerKey: whoever reads a secret with a customer key must be allowed to decrypt it,
// through this service and with the secret's encryption context.
func TestCustomerKey(t *testing.T) {
	u := try.New(home)
	api := secretsmanager.NewFromConfig(u.Config(home))
	const key = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-4000-8000-000000000001"
	out := try.Must(api.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("db"), SecretString: aws.String("x"), KmsKeyId: aws.String(key)}))
	arn := aws.ToString(out.ARN)
	read := `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"` + arn + `"}`
	decrypt := func(via, context string) string {
		return `,{"Effect":"Allow","Action":"kms:Decrypt","Resource":"arn:aws:kms:eu-central-1:123456789012:key/*","Condition":{"StringEquals":{` +
			`"kms:ViaService":"` + via + `.eu-central-1.amazonaws.com","kms:EncryptionContext:SecretARN":"` + context + `"}}}`
	}
	for statements, want := range map[string]string{
		read + decrypt("secretsmanager", arn): "",
		read:                                  "AccessDeniedException",
		read + decrypt("ssm", arn):            "AccessDeniedException",
		read + decrypt("secretsmanager", arn+"x"): "AccessDeniedException",
		decrypt("secretsmanager", arn)[1:]:        "AccessDeniedException",
	} {
		u.Policy = `{"Version":"2012-10-17","Statement":[` + statements + `]}`
		get(t, api, arn, "", want)
	}
}
