package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/names"
)

// Parameter is a secret in the SSM Parameter Store. Read compares the value. No state,
// change or error contains it.
type Parameter struct {
	API  *ssm.Client
	ID   Identity
	Name string

	// Value is the secret. If it is empty, as for down, Read does not decrypt the value,
	// which would need another permission.
	Value string

	Key provision.Ref[KMSKeyState] // that encrypts the value; may be unset

	Extra Tags // tell for which API the value is; see APITags

	Reader *ParameterReader // of the environment's parameters; nil reads this one alone
}

// ParameterState is the actual state of a parameter, without its value.
type ParameterState struct {
	Name    string
	Type    string
	Version int64
	Current bool // the value is the desired one
	Tags    Tags

	// Key is the key of KMS that encrypts the value: its ARN, or unreadable. It is empty for the
	// key of Systems Manager, which encrypts it by default, and if nothing tells.
	Key string
}

// unreadable stands for a key with which the caller cannot decrypt the value.
const unreadable = "a key that cannot decrypt it"

var (
	_ Kind[ParameterState]                = Parameter{}
	_ Discoverer                          = Parameter{}
	_ provision.Predictor[ParameterState] = Parameter{}
	_ provision.Labelled                  = ParameterState{}
)

// These also cover the lease, which is a parameter, too.
var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:    `ParameterNotFound InvalidResourceId`, // the calls for tags return the second one
		awserr.Conflict:  `ParameterAlreadyExists`,
		awserr.Transient: `TooManyUpdates`,
		awserr.Quota:     `ParameterLimitExceeded`,
	},
	Rules: []awserr.Rule{
		{Operation: "PutParameter", Code: "ParameterMaxVersionLimitExceeded", Class: awserr.Quota},
	},
})

// Owner implements provision.State.
func (s ParameterState) Owner() provision.Owner { return s.Tags.Owner() }

// Predicted implements provision.Predictor.
func (p Parameter) Predicted() ParameterState { return ParameterState{Name: p.Name} }

// Read implements provision.Resource. Its calls run in parallel.
func (p Parameter) Read(ctx context.Context) (ParameterState, error) {
	s := ParameterState{Name: p.Name}
	locked := false
	err := parallel(ctx,
		func(ctx context.Context) error {
			have, err := p.Reader.read(ctx, p.API, p.Name, p.Value != "")
			if locked = p.Value != "" && wrongKey(err); locked {
				have, err = p.Reader.read(ctx, p.API, p.Name, false)
			}
			if err != nil {
				return p.failed("read parameter", err)
			}
			s.Type, s.Version = string(have.Type), have.Version
			s.Current = p.Value != "" && !locked && deref(have.Value) == p.Value
			return nil
		},
		func(ctx context.Context) (err error) {
			s.Key, err = p.readKey(ctx)
			return err
		},
		func(ctx context.Context) error {
			out, err := p.API.ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{
				ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: &p.Name,
			})
			if err != nil {
				return p.failed("read tags", err)
			}
			s.Tags = tagsOf(out.TagList, func(t types.Tag) (*string, *string) { return t.Key, t.Value })
			return nil
		},
	)
	if err != nil {
		return ParameterState{}, err
	}
	switch {
	case !p.Key.Set() && locked:
		s.Key = unreadable
	case !p.Key.Set():
		s.Key = s.Tags[KeyKMS]
	case locked && s.Key == keyARN(p.Key):
		return ParameterState{}, fmt.Errorf("read parameter: the key %s cannot decrypt it, or kms:Decrypt is missing", s.Key)
	}
	return s, nil
}

// wrongKey reports whether an error means that the key of the value cannot decrypt it, or that
// the caller may not use the key.
func wrongKey(err error) bool {
	refused, is := awserr.RefusalOf(err)
	return is && refused.Action == "kms:Decrypt" || awserr.Code(err) == "InvalidKeyId"
}

// readKey returns the key of the value, if the spec has one. Only the list of parameters shows
// it, which no policy can limit to a name; without a key in the spec, the tags tell.
func (p Parameter) readKey(ctx context.Context) (string, error) {
	if !p.Key.Set() {
		return "", nil
	}
	out, err := p.API.DescribeParameters(ctx, &ssm.DescribeParametersInput{ParameterFilters: []types.ParameterStringFilter{
		{Key: new("Name"), Option: new("Equals"), Values: []string{p.Name}},
	}})
	if err != nil {
		return "", p.failed("read the parameter's key", err)
	}
	for _, o := range out.Parameters {
		if key := deref(o.KeyId); key != "alias/aws/ssm" {
			return key, nil
		}
	}
	return "", nil
}

// Discover implements Discoverer. It also finds the leases, which are parameters without
// a step. It returns no creation time: AWS lists only the time of the last change.
func (p Parameter) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	failed := func(err error) ([]Found, error) {
		return nil, fmt.Errorf("list parameters in %s: %w", p.ID.Region, err)
	}
	pages := ssm.NewDescribeParametersPaginator(p.API, &ssm.DescribeParametersInput{
		MaxResults: new(int32(50)), // the maximum; the default is 10
		ParameterFilters: []types.ParameterStringFilter{
			{Key: new("Name"), Option: new("BeginsWith"), Values: []string{names.Path}},
		},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return failed(err)
		}
		for _, o := range page.Parameters {
			f := Found{Kind: "parameter", Name: deref(o.Name)}
			if names.IsLease(f.Name) {
				f.Kind, f.Expiry = "lock", ExpiryNone
			}
			list = append(list, f)
		}
	}
	list, err = withTags(ctx, list, func(ctx context.Context, f Found) (Tags, error) {
		out, err := p.API.ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{
			ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: &f.Name,
		})
		if err != nil {
			return nil, fmt.Errorf("read tags of %s: %w", f.Name, err)
		}
		return tagsOf(out.TagList, func(t types.Tag) (*string, *string) { return t.Key, t.Value }), nil
	})
	if err != nil {
		return failed(err)
	}
	return list, nil
}

// Create implements provision.Resource. It fails if the parameter exists: AWS does not
// accept tags in a call that overwrites.
func (p Parameter) Create(ctx context.Context) (*ParameterState, error) {
	_, err := p.API.PutParameter(ctx, &ssm.PutParameterInput{
		Name: &p.Name, Value: &p.Value, Type: types.ParameterTypeSecureString, KeyId: p.keyID(), Tags: tagList(p.tags(), ssmTag),
	})
	return nil, p.failed("create parameter", err)
}

func (p Parameter) tags() Tags {
	t := p.ID.Tags(p.Name)
	maps.Copy(t, p.Extra)
	if key := keyARN(p.Key); key != "" {
		t[KeyKMS] = key
	}
	return t
}

// keyID is the key in a call that writes the value; nil for that of Systems Manager.
func (p Parameter) keyID() *string {
	if key := keyARN(p.Key); key != "" {
		return &key
	}
	return nil
}

func ssmTag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }

// Changes implements provision.Resource.
func (p Parameter) Changes(have ParameterState) []provision.Change {
	const secure = string(types.ParameterTypeSecureString)
	c := tagChange(have.Tags, p.tags(), false, tagger{p.setTags, p.dropTags})
	if have.Type != "" && have.Type != secure { // the new parameter also gets the value
		return append(c, provision.Change{
			Field: "type", From: provision.Text(have.Type), To: provision.Text(secure), Do: p.remove,
			Replace: true, Required: true, Why: "AWS cannot change the type of a parameter",
		})
	}
	if have.Type == "" {
		c = append(c, provision.Change{Field: "type", To: provision.Text(secure), Required: true})
	}
	if p.Value == "" {
		return c
	}
	content := diffText("encryption key", have.Key, keyARN(p.Key), nil)
	keyed := len(content) > 0
	if !have.Current {
		change := provision.Change{Field: "value", To: provision.Secret()}
		if have.Type != "" {
			change.From = provision.Secret()
		}
		content = append(content, change)
	}
	content = provision.Together(content, p.write(have))
	if keyed && have.Type != "" { // the value is encrypted anew before the tags tell of it
		return append(content, c...)
	}
	return append(c, content...)
}

func (p Parameter) setTags(ctx context.Context, t Tags) error {
	_, err := p.API.AddTagsToResource(ctx, &ssm.AddTagsToResourceInput{
		ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: &p.Name, Tags: tagList(t, ssmTag),
	})
	return p.failed("add tags", err)
}

func (p Parameter) dropTags(ctx context.Context, keys []string) error {
	_, err := p.API.RemoveTagsFromResource(ctx, &ssm.RemoveTagsFromResourceInput{
		ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: &p.Name, TagKeys: keys,
	})
	return p.failed("remove tags", err)
}

// write sets the value and the key that encrypts it: one call needs both, so it repeats the one
// that does not change. Only then may the tag go that tells of another key.
func (p Parameter) write(have ParameterState) func(context.Context, provision.Fields) error {
	return func(ctx context.Context, fields provision.Fields) error {
		value, key := p.Value, p.keyID()
		if !fields.Has("encryption key") {
			key = noneIfEmpty(have.Key)
		}
		if !fields.Has("value") && !have.Current {
			now, err := p.Reader.read(ctx, p.API, p.Name, true)
			if err != nil {
				return p.failed("read the ignored value, to encrypt it with another key", err)
			}
			value = deref(now.Value)
		}
		_, err := p.API.PutParameter(ctx, &ssm.PutParameterInput{
			Name: &p.Name, Value: &value, Type: types.ParameterTypeSecureString, KeyId: key, Overwrite: new(true),
		})
		if err != nil || !fields.Has("encryption key") || p.Key.Set() || have.Tags[KeyKMS] == "" {
			return Parameter{Name: p.Name, Value: value}.failed("write parameter", err)
		}
		return p.dropTags(ctx, []string{KeyKMS})
	}
}

func (p Parameter) remove(ctx context.Context) error {
	_, err := p.API.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: &p.Name})
	return p.failed("delete parameter", awserr.Gone(err))
}

// Delete implements provision.Resource.
func (p Parameter) Delete(ctx context.Context, _ ParameterState) error { return p.remove(ctx) }

// failed wraps the error of a call. AWS's message may contain the value, which must not be
// shown. In that case, failed builds a new error with the same code and a redacted message.
func (p Parameter) failed(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case strings.HasPrefix(doing, "read") && awserr.Classify(err) == awserr.Absent:
		return fmt.Errorf("%s: %w", doing, provision.ErrAbsent)
	}
	text := p.redacted(err.Error())
	if text == err.Error() {
		return fmt.Errorf("%s: %w", doing, err)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fmt.Errorf("%s: %s", doing, text)
	}
	return fmt.Errorf("%s: %w", doing, &smithy.OperationError{
		ServiceID: awserr.Service(err), OperationName: awserr.Operation(err),
		Err: &smithy.GenericAPIError{
			Code: api.ErrorCode(), Message: p.redacted(api.ErrorMessage()), Fault: api.ErrorFault(),
		},
	})
}

// redacted replaces the value in a text, in plain form and in the JSON forms in which the
// request may contain it.
func (p Parameter) redacted(text string) string {
	if p.Value == "" {
		return text
	}
	for _, html := range []bool{true, false} {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if err := e.Encode(p.Value); err == nil {
			quoted := strings.TrimSuffix(b.String(), "\n")
			text = strings.ReplaceAll(text, quoted[1:len(quoted)-1], "(secret)")
		}
	}
	return strings.ReplaceAll(text, p.Value, "(secret)")
}

// Costs implements Kind: a standard parameter is free.
func (Parameter) Costs() []cost.Usage { return nil }

// Permissions are what the calls need. To change the type, up deletes the parameter and
// creates it again.
func (p Parameter) Permissions() Permissions {
	arn := p.ID.ARN("ssm", p.ID.Region, "parameter"+p.Name)
	all := Permissions{
		Read:   []Permission{p.Reader.permission(arn, p.Name, "ssm:ListTagsForResource")},
		Build:  []Permission{on(arn, "ssm:PutParameter", "ssm:AddTagsToResource", "ssm:RemoveTagsFromResource", "ssm:DeleteParameter")},
		Delete: []Permission{on(arn, "ssm:DeleteParameter")},
	}
	if p.Key.Set() {
		use := func(action string) Permission {
			return p.ID.UseKey(keyARN(p.Key), "ssm", "Systems Manager decrypts and encrypts the parameter with the key", action).
				when("StringEquals", "kms:EncryptionContext:PARAMETER_ARN", arn)
		}
		all.Read = append(all.Read, on("*", "ssm:DescribeParameters"), use("kms:Decrypt"))
		all.Build = append(all.Build, use("kms:Encrypt"))
	}
	return all
}
