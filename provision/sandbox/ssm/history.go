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

// keptVersions is how many versions there are at most; then the oldest goes:
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
const keptVersions = 100

// remember adds the present version to the history. Nobody here looks into the
// history of a secret, so it has none.
func (p *parameter) remember() {
	if p.secure() {
		return
	}
	p.Past = append(p.Past, parameterVersion{p.Version, p.Value, p.Modified})
	if n := len(p.Past) - keptVersions; n > 0 {
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

// free notes that a name has become free.
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

// rested is an error if a name was freed a short while ago. AWS's page asks for
// 30 seconds between deletion and creation, and does not say what happens
// before that; to say that the parameter exists is the least helpful answer:
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html
func (r *request) rested(name string) error {
	d := r.db()
	if at, ok := d.Freed[name]; ok && r.Now.Before(at.Add(r.Account.ParameterRest)) {
		return &types.ParameterAlreadyExists{Message: aws.String("The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")}
	}
	delete(d.Freed, name)
	return nil
}
