//go:build linux

package fargate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// role is an IAM role of a task. moto lets everybody do everything, so the player judges what
// ECS does as a role by the policies that the role has in moto.
type role struct {
	p        *Player
	arn      string
	policies []string
}

// said is an error in the words of ECS.
type said string

func (e said) Error() string { return string(e) }

func sayf(format string, args ...any) error { return said(fmt.Sprintf(format, args...)) }

// assume reads the role's policies. It fails if ECS may not assume the role.
func (r *role) assume(ctx context.Context) error {
	if r.arn == "" {
		return nil
	}
	api, name := iam.NewFromConfig(r.p.as(playerKey)), lastPart(r.arn)
	unassumable := sayf("ECS was unable to assume the role '%s' that was provided for this task. Please verify that the role being passed "+
		"has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.", r.arn)
	out, err := api.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil || aws.ToString(out.Role.Arn) != r.arn {
		return unassumable
	}
	trust, err := url.QueryUnescape(aws.ToString(out.Role.AssumeRolePolicyDocument))
	if err != nil || !strings.Contains(trust, `"ecs-tasks.amazonaws.com"`) {
		return unassumable
	}
	r.policies, err = policies(ctx, api, name)
	return err
}

// policies returns the documents of all policies of a role.
func policies(ctx context.Context, api *iam.Client, name string) (documents []string, err error) {
	add := func(document *string) error {
		text, err := url.QueryUnescape(aws.ToString(document))
		documents = append(documents, text)
		return err
	}
	inline, err := api.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &name})
	if err != nil {
		return nil, err
	}
	for _, policy := range inline.PolicyNames {
		out, err := api.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &name, PolicyName: &policy})
		if err != nil {
			return nil, err
		}
		if err := add(out.PolicyDocument); err != nil {
			return nil, err
		}
	}
	attached, err := api.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &name})
	if err != nil {
		return nil, err
	}
	for _, policy := range attached.AttachedPolicies {
		p, err := api.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: policy.PolicyArn})
		if err != nil {
			return nil, err
		}
		v, err := api.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: policy.PolicyArn, VersionId: p.Policy.DefaultVersionId})
		if err != nil {
			return nil, err
		}
		if err := add(v.PolicyVersion.Document); err != nil {
			return nil, err
		}
	}
	return documents, nil
}

// may returns an error if the role may not do something.
func (r *role) may(action, resource string) error {
	v, err := core.JudgeAll(r.policies, core.Access{Action: action, Resource: resource})
	if err != nil {
		return err
	}
	if v != core.Allowed {
		return sayf("AccessDeniedException: %s is not authorized to perform: %s on resource: %s", r.arn, action, resource)
	}
	return nil
}

// secret reads what a container's secret refers to: the ARN of a parameter or its name, or the
// ARN of a secret, perhaps with the key of a value in it.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Secret.html
func (r *role) secret(ctx context.Context, from string) (string, error) {
	parsed, err := arn.Parse(from)
	if err == nil && parsed.Service == "secretsmanager" {
		return r.managed(ctx, from)
	}
	name, resource := from, "arn:aws:ssm:"+r.p.Region+":"+r.p.Front.Account+":parameter/"+strings.TrimPrefix(from, "/")
	if err == nil {
		name, resource = strings.TrimPrefix(parsed.Resource, "parameter"), from
	}
	if err := r.may("ssm:GetParameters", resource); err != nil {
		return "", sayf("unable to retrieve secrets from ssm: service call has been retried 1 time(s): %v", err)
	}
	out, err := ssm.NewFromConfig(r.p.as(KeyOf(r.arn))).GetParameters(ctx, &ssm.GetParametersInput{Names: []string{name}, WithDecryption: aws.Bool(true)})
	switch {
	case err != nil:
		return "", err
	case len(out.Parameters) != 1:
		return "", sayf("unable to retrieve secrets from ssm: invalid ssm parameters: %s", name)
	}
	return aws.ToString(out.Parameters[0].Value), nil
}

// managed reads a secret of Secrets Manager. Its ARN has seven parts; the next is the key.
func (r *role) managed(ctx context.Context, from string) (string, error) {
	parts := strings.Split(from, ":")
	id := strings.Join(parts[:min(7, len(parts))], ":")
	if err := r.may("secretsmanager:GetSecretValue", id); err != nil {
		return "", sayf("unable to retrieve secret from asm: service call has been retried 1 time(s): %v", err)
	}
	value, err := r.secretValue(ctx, id)
	if err != nil {
		return "", sayf("unable to retrieve secret from asm: %v", err)
	}
	if len(parts) < 8 || parts[7] == "" {
		return value, nil
	}
	values := map[string]any{}
	if err := json.Unmarshal([]byte(value), &values); err != nil || values[parts[7]] == nil {
		return "", sayf("retrieved secret from Secrets Manager did not contain json key %s", parts[7])
	}
	return text(values[parts[7]]), nil
}

// secretValue asks moto, which reads the service and the key from the signature's scope and
// does not check the signature. So the tests do without the SDK's client for this service.
func (r *role) secretValue(ctx context.Context, id string) (string, error) {
	body, err := json.Marshal(map[string]string{"SecretId": id})
	if err != nil {
		return "", err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, r.p.Front.URL, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	q.Header.Set("Content-Type", "application/x-amz-json-1.1")
	q.Header.Set("X-Amz-Target", "secretsmanager.GetSecretValue")
	q.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+KeyOf(r.arn)+"/20260101/"+r.p.Region+"/secretsmanager/aws4_request, SignedHeaders=host, Signature=0")
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return "", err
	}
	defer func() { _ = a.Body.Close() }()
	var out struct {
		Message, SecretString string
		Kind                  string `json:"__type"`
	}
	if err := json.NewDecoder(a.Body).Decode(&out); err != nil {
		return "", err
	}
	if a.StatusCode != http.StatusOK {
		return "", sayf("%s: %s", out.Kind, out.Message)
	}
	return out.SecretString, nil
}
