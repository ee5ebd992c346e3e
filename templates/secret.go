package templates

import (
	"cmp"

	"github.com/flowbed/flowbed/provision/secret"
)

// program returns the parts of the program that fetches the secret, in Python. The program
// for the parameter that flowbed makes must stay as it is: a change would replace the
// instances of all environments.
func (s Secret) program() map[string]string {
	imports, read := "", ""
	region := "region_name=" + codeQuote(s.From.Region)
	switch s.From.Service {
	case secret.SecretsManager:
		read = `boto3.client("secretsmanager", ` + region + `).get_secret_value(SecretId=PARAMETER`
		if s.From.Stage != "" {
			read += ", VersionStage=" + codeQuote(s.From.Stage)
		}
		if s.From.Version != "" {
			read += ", VersionId=" + codeQuote(s.From.Version)
		}
		read += `)["SecretString"]`
		if s.From.Key != "" {
			imports, read = "import json\n", "json.loads("+read+")["+codeQuote(s.From.Key)+"]"
		}
	case secret.SSM:
		read = `boto3.client("ssm", ` + region + `).get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]["Value"]`
	default:
		read = `boto3.client("ssm").get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]["Value"]`
	}
	from := ""
	if s.From.Set() {
		from = s.From.ARN()
	}
	return map[string]string{
		"imports": imports, "read": read, "parameter": codeQuote(cmp.Or(s.Parameter, from)), "variable": codeQuote(s.Variable),
	}
}
