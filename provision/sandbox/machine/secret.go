package machine

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// secret reads the API's secret as the instance's role. In a container, ECS has read it. The errors are in boto's words.
func (h host) secret() (string, error) {
	if h.container != nil {
		return h.container.Secret, nil
	}
	who, ok := h.session()
	if !ok {
		return "", said("Unable to locate credentials")
	}
	region := cmp.Or(h.Secret.Region, h.Region)
	endpoint := cmp.Or(h.Secret.Store, "ssm") + "." + region + ".amazonaws.com"
	if !h.reaches(endpoint, 443) {
		return "", said("Connect timeout on endpoint URL: \"https://" + endpoint + "/\"")
	}
	read := h.readParameter
	if h.Secret.Store != "" {
		read = h.readSecret
	}
	value, err := read(h.In(region), who)
	if err != nil {
		return "", err
	}
	value = strings.TrimSpace(value)
	if value == "" || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' }) {
		return "", errors.New("the value is empty or has control characters")
	}
	return value, nil
}

func (h host) readParameter(r *core.Request, who core.Identity) (string, error) {
	out, err := r.As(who, &ssm.GetParameterInput{Name: &h.Secret.Parameter, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", inBoto("GetParameter", err)
	}
	return aws.ToString(out.(*ssm.GetParameterOutput).Parameter.Value), nil
}

func (h host) readSecret(r *core.Request, who core.Identity) (string, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &h.Secret.Parameter}
	if h.Secret.Stage != "" {
		in.VersionStage = &h.Secret.Stage
	}
	if h.Secret.Version != "" {
		in.VersionId = &h.Secret.Version
	}
	out, err := r.As(who, in)
	if err != nil {
		return "", inBoto("GetSecretValue", err)
	}
	value := aws.ToString(out.(*secretsmanager.GetSecretValueOutput).SecretString)
	if h.Secret.Key == "" {
		return value, nil
	}
	var members map[string]any
	if json.Unmarshal([]byte(value), &members) != nil {
		return "", said("Expecting value: line 1 column 1 (char 0)")
	}
	member, ok := members[h.Secret.Key].(string)
	if !ok {
		return "", said("'" + h.Secret.Key + "'") // a KeyError
	}
	return member, nil
}

func inBoto(operation string, err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return said("An error occurred (" + api.ErrorCode() + ") when calling the " + operation + " operation: " + api.ErrorMessage())
	}
	return err
}
