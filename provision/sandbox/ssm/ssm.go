// Package ssm is the sandbox's Systems Manager: parameters, and commands to
// instances.
//
// It asks ec2 for images, kms about the keys of parameters, iam whether an instance may register, and machine to run a
// command.
package ssm

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/ec2"
	"github.com/flowbed/flowbed/provision/sandbox/kms"
)

var service = core.NewService("ssm", func(r *core.Request) *request { return &request{r} }, core.Rules{})

var part = core.Regional("ssm",
	func(string) *database { return &database{} },
	func(_ *core.Request, d *database) any { return d.Parameters })

// request is one call to Systems Manager.
type request struct{ *core.Request }

// database is the Parameter Store's part of a region.
type database struct {
	Parameters map[string]*parameter `json:"parameters,omitempty"` // by name
	Freed      map[string]time.Time  `json:"freed,omitempty"`      // by name: when it was freed
}

type parameter struct {
	Name        string       `json:"name"`
	Type        string       `json:"type"`
	Value       string       `json:"value,omitempty"` // empty for a SecureString
	Version     int64        `json:"version"`
	Key         string       `json:"key,omitempty"` // a KMS key
	Description string       `json:"description,omitempty"`
	Modified    time.Time    `json:"modified"`
	Tags        core.Tags    `json:"tags,omitempty"`
	Fingerprint *secretPrint `json:"fingerprint,omitempty"` // of a SecureString's value
	StandIn     string       `json:"stand_in,omitempty"`    // see standIn; saved with the fingerprint

	Past []parameterVersion `json:"past,omitempty"` // for a String: all versions, oldest first
}

func (p *parameter) secure() bool { return p.Type == string(types.ParameterTypeSecureString) }

func (r *request) db() *database {
	d := part.In(r.Request)
	if d.Parameters == nil { // new, or empty when it was saved
		d.Parameters = map[string]*parameter{}
	}
	return d
}

func init() {
	core.Register(service, putParameter, putAccess)
	core.Register(service, getParameter, getAccess)
	core.Register(service, getParameters, namesAccess)
	core.Register(service, describeParameters, core.Anything)
	core.Register(service, deleteParameter, nameAccess)
	core.Register(service, listParameterTags, tagsAccess)
	core.Register(service, addParameterTags, tagsAccess)
	core.Register(service, removeParameterTags, tagsAccess)
}

var parameterChars = regexp.MustCompile(`^[a-zA-Z0-9_.\-/]+$`)

// checkParameterName applies the rules of
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
func checkParameterName(name string) error {
	bare := strings.ToLower(strings.TrimPrefix(name, "/"))
	switch {
	case strings.HasPrefix(bare, "aws"):
		return core.Fail("AccessDeniedException", "No access to reserved parameter name: %s.", name)
	case strings.HasPrefix(bare, "ssm"):
		return invalidParameter("Parameter name: can't be prefixed with \"ssm\" (case-insensitive).")
	case !parameterChars.MatchString(name) || strings.HasSuffix(name, "/") || len(name) > 1011:
		return invalidParameter("Parameter name: %s: can have only letters, digits, and the symbols . - _ /, and must not end with a slash.", name)
	case strings.Contains(name, "/") && !strings.HasPrefix(name, "/"):
		return invalidParameter("Parameter name must be a fully qualified name.")
	case strings.Count(name, "/") > 15:
		return &types.HierarchyLevelLimitExceededException{Message: aws.String("The hierarchy can have a maximum of 15 levels.")}
	}
	return nil
}

func invalidParameter(format string, args ...any) error {
	return core.Fail("ValidationException", format, args...)
}

const standardSize = 4096 // bytes of a value in the standard tier

func putParameter(r *request, in *ssm.PutParameterInput) (*ssm.PutParameterOutput, error) {
	name := aws.ToString(in.Name)
	if err := checkParameterName(name); err != nil {
		return nil, err
	}
	if err := checkPut(in); err != nil {
		return nil, err
	}
	t, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	d := r.db()
	p := d.Parameters[name]
	if err := p.checkPutOn(in); err != nil {
		return nil, err
	}
	if err := r.checkKey(aws.ToString(in.KeyId)); err != nil {
		return nil, err
	}
	if p == nil {
		if err := r.rested(name); err != nil {
			return nil, err
		}
		p = &parameter{Name: name, Type: string(in.Type), Tags: t}
		d.Parameters[name] = p
	}
	r.setParameter(p, in)
	return &ssm.PutParameterOutput{Version: p.Version, Tier: types.ParameterTierStandard}, nil
}

// checkPut applies the rules that do not depend on an existing parameter.
func checkPut(in *ssm.PutParameterInput) error {
	value := aws.ToString(in.Value)
	larger := in.Tier == types.ParameterTierAdvanced || in.Tier == types.ParameterTierIntelligentTiering
	switch {
	case value == "":
		return invalidParameter("1 validation error detected: Value at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case strings.Contains(value, "{{") && strings.Contains(value, "}}"):
		return invalidParameter("Parameter value can't nest another parameter: it contains {{ and }}.")
	case len(value) > standardSize && !larger:
		return invalidParameter("Standard tier parameters support a maximum parameter value of %d characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.", standardSize)
	case aws.ToBool(in.Overwrite) && len(in.Tags) > 0:
		return invalidParameter("Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag.")
	}
	return nil
}

// checkPutOn applies the rules for overwriting p, which is nil for a new parameter.
func (p *parameter) checkPutOn(in *ssm.PutParameterInput) error {
	switch {
	case p == nil && in.Type == "":
		return invalidParameter("A parameter type is required when you create a parameter.")
	case p == nil:
		return nil
	case !aws.ToBool(in.Overwrite):
		return &types.ParameterAlreadyExists{Message: aws.String("The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")}
	case in.Type != "" && string(in.Type) != p.Type:
		return &types.HierarchyTypeMismatchException{Message: aws.String(fmt.Sprintf("The parameter %s is of the type %s; a parameter's type cannot be changed.", p.Name, p.Type))}
	}
	return nil
}

// checkKey checks whether a key can encrypt a SecureString, or decrypt one.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
func (r *request) checkKey(key string) error {
	if key == "" || key == ownKey {
		return nil
	}
	switch t := kms.Look(r.Request, key); t {
	case "":
		return nil
	case kms.NotFound:
		return &types.InvalidKeyId{Message: aws.String("Invalid keyId " + key)}
	default:
		return &types.InvalidKeyId{Message: aws.String(fmt.Sprintf("%s cannot be used (%s)", key, t))}
	}
}

// ownKey is the key of Systems Manager itself, which encrypts parameters by default.
const ownKey = "alias/aws/ssm"

// setParameter writes the next version of a parameter.
func (r *request) setParameter(p *parameter, in *ssm.PutParameterInput) {
	p.Version, p.Modified = p.Version+1, r.Now.UTC()
	p.Description = cmp.Or(aws.ToString(in.Description), p.Description)
	p.Value, p.Fingerprint, p.StandIn = aws.ToString(in.Value), nil, ""
	if p.secure() {
		p.Key, p.Value = cmp.Or(aws.ToString(in.KeyId), ownKey), ""
		r.secrets()[secretKey(r.Region, p)] = aws.ToString(in.Value)
	}
	p.remember()
}

// byName finds a parameter by name or ARN. A public parameter has only a value. An ARN does
// not tell whether a name begins with a slash, and belongs to one account and one region.
func (r *request) byName(name string) *parameter {
	if strings.HasPrefix(name, "arn:") {
		own, ok := strings.CutPrefix(name, r.ARN("ssm", r.Region, "parameter"))
		if p := r.db().Parameters[strings.TrimPrefix(own, "/")]; !ok || p != nil {
			return p
		}
		name = own
	}
	if id := ec2.PublicImage(r.Region, name, r.Account.ImageRelease); id != "" {
		return &parameter{Name: name, Type: string(types.ParameterTypeString), Value: id, Version: int64(r.Account.ImageRelease) + 1}
	}
	return r.db().Parameters[name]
}

func (r *request) parameterOut(p *parameter, decrypt *bool) types.Parameter {
	value := p.Value
	if p.secure() {
		if value = "(encrypted by the sandbox)"; aws.ToBool(decrypt) {
			value = r.secret(p)
		}
	}
	out := types.Parameter{
		Name: aws.String(p.Name), Type: types.ParameterType(p.Type), Value: aws.String(value), Version: p.Version,
		ARN: aws.String(r.ARN("ssm", r.Region, "parameter/"+strings.TrimPrefix(p.Name, "/"))), DataType: aws.String("text"),
	}
	if !p.Modified.IsZero() {
		out.LastModifiedDate = aws.Time(p.Modified)
	}
	return out
}

// readable checks whether the key of a parameter can decrypt it, if it must.
func (r *request) readable(p *parameter, decrypt *bool) error {
	if !p.secure() || !aws.ToBool(decrypt) {
		return nil
	}
	return r.checkKey(p.Key)
}

func getParameter(r *request, in *ssm.GetParameterInput) (*ssm.GetParameterOutput, error) {
	p := r.byName(aws.ToString(in.Name))
	if p == nil {
		return nil, &types.ParameterNotFound{Message: aws.String("Parameter " + aws.ToString(in.Name) + " not found.")}
	}
	if err := r.readable(p, in.WithDecryption); err != nil {
		return nil, err
	}
	out := r.parameterOut(p, in.WithDecryption)
	return &ssm.GetParameterOutput{Parameter: &out}, nil
}

func getParameters(r *request, in *ssm.GetParametersInput) (*ssm.GetParametersOutput, error) {
	if n := len(in.Names); n == 0 || n > 10 {
		return nil, invalidParameter("1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length less than or equal to 10")
	}
	out := &ssm.GetParametersOutput{}
	for _, name := range in.Names {
		if p := r.byName(name); p != nil {
			if err := r.readable(p, in.WithDecryption); err != nil {
				return nil, err
			}
			out.Parameters = append(out.Parameters, r.parameterOut(p, in.WithDecryption))
		} else {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	return out, nil
}
