package ssm

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() { core.Register(service, getParameterHistory, nameAccess) }

// parameterVersion is one version of a String parameter.
type parameterVersion struct {
	Version  int64     `json:"version"`
	Value    string    `json:"value"`
	Modified time.Time `json:"modified"`
}

// maxVersions is how many versions SSM keeps before it deletes the oldest:
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
const maxVersions = 100

// remember adds the current version to the history. flowbed never reads the history
// of a secret, so the sandbox keeps none.
func (p *parameter) remember() {
	if p.secure() {
		return
	}
	p.Past = append(p.Past, parameterVersion{p.Version, p.Value, p.Modified})
	if n := len(p.Past) - maxVersions; n > 0 {
		p.Past = p.Past[n:]
	}
}

func getParameterHistory(r *request, in *ssm.GetParameterHistoryInput) (*ssm.GetParameterHistoryOutput, error) {
	p := r.db().Parameters[aws.ToString(in.Name)]
	if p == nil {
		return nil, &types.ParameterNotFound{Message: aws.String("Parameter " + aws.ToString(in.Name) + " not found.")}
	}
	if p.secure() {
		return nil, core.Fail("NotImplemented", "the sandbox keeps no history of SecureString parameters")
	}
	if n := aws.ToInt32(in.MaxResults); in.MaxResults != nil && (n < 1 || n > 50) {
		return nil, invalidParameter("1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and 50", n)
	}
	list, next, err := core.Page(p.Past, in.NextToken, in.MaxResults, 50)
	if err != nil {
		return nil, err
	}
	out := &ssm.GetParameterHistoryOutput{NextToken: next}
	for _, v := range list {
		out.Parameters = append(out.Parameters, types.ParameterHistory{
			Name: aws.String(p.Name), Type: types.ParameterType(p.Type), Tier: types.ParameterTierStandard,
			Value: aws.String(v.Value), Version: v.Version, LastModifiedDate: aws.Time(v.Modified),
		})
	}
	return out, nil
}

// free records that a name has become free.
func (r *request) free(name string) {
	if r.Account.ParameterRest == 0 {
		return
	}
	d := r.db()
	if d.Freed == nil {
		d.Freed = map[string]time.Time{}
	}
	d.Freed[name] = r.Now
}

// rested returns an error if a name was freed a short time ago. AWS's page asks to
// wait 30 seconds between deletion and creation, and does not say what happens
// otherwise. "Already exists" is the least helpful reply, so the sandbox gives it:
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html
func (r *request) rested(name string) error {
	d := r.db()
	if at, ok := d.Freed[name]; ok && r.Now.Before(at.Add(r.Account.ParameterRest)) {
		return &types.ParameterAlreadyExists{Message: aws.String("The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")}
	}
	delete(d.Freed, name)
	return nil
}
