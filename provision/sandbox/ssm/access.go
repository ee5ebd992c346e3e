package ssm

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/ec2"
	"github.com/flowbed/flowbed/provision/sandbox/kms"
)

// The authorization of Systems Manager's calls:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html

func (r *request) parameterARN(name string) string {
	if strings.HasPrefix(name, "/aws/") { // public parameters belong to no account
		return "arn:" + r.Partition() + ":ssm:" + r.Region + "::parameter" + name
	}
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return r.ARN("ssm", r.Region, "parameter/"+strings.TrimPrefix(name, "/"))
}

func nameAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.parameterARN(core.Text(in, "Name")))
}

func namesAccess(r *request, a core.Access, in *ssm.GetParametersInput) []core.Access {
	arns := make([]string, len(in.Names))
	for i, name := range in.Names {
		arns[i] = r.parameterARN(name)
	}
	return append(a.To(arns...), r.decryptAccess(in.WithDecryption, in.Names...)...)
}

func getAccess(r *request, a core.Access, in *ssm.GetParameterInput) []core.Access {
	return append(nameAccess(r, a, in), r.decryptAccess(in.WithDecryption, aws.ToString(in.Name))...)
}

// decryptAccess is the access to the keys that encrypt parameters. Everybody in the
// account may use the key of Systems Manager itself. The encryption context names the
// parameter.
// https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
func (r *request) decryptAccess(decrypt *bool, names ...string) (all []core.Access) {
	for _, name := range names {
		p := r.byName(name)
		if p == nil || !p.secure() || !aws.ToBool(decrypt) || p.Key == ownKey {
			continue
		}
		all = append(all, r.keyUse(p.Key, p.Name).Access(r.Request, "kms:Decrypt")...)
	}
	return all
}

// keyUse is what Systems Manager does with the key of a parameter.
func (r *request) keyUse(key, name string) kms.Use {
	return kms.Use{Key: key, Service: "ssm", Context: map[string]string{"kms:EncryptionContext:PARAMETER_ARN": r.parameterARN(name)}}
}

func tagsAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.parameterARN(core.Text(in, "ResourceId")))
}

func putAccess(r *request, a core.Access, in *ssm.PutParameterInput) []core.Access {
	all := nameAccess(r, a, in)
	if len(in.Tags) > 0 {
		all = append(all, all[0].WithAction("ssm:AddTagsToResource"))
	}
	if key := aws.ToString(in.KeyId); key != "" && key != ownKey { // of the standard tier
		all = append(all, r.keyUse(key, aws.ToString(in.Name)).Access(r.Request, "kms:Encrypt")...)
	}
	return all
}

// commandAccess covers the document and the instances. A document of AWS's belongs to no
// account.
func commandAccess(r *request, a core.Access, in *ssm.SendCommandInput) []core.Access {
	all := a.To("arn:" + r.Partition() + ":ssm:" + r.Region + "::document/" + aws.ToString(in.DocumentName))
	for _, id := range in.InstanceIds {
		all = append(all, ec2.ToInstance(r.Request, a, id))
	}
	return all
}
