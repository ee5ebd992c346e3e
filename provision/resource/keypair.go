package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/crypto/ssh"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
)

// KeyPair is an EC2 key pair with an imported public key. flowbed never sees the private
// key.
type KeyPair struct {
	API       *ec2.Client
	ID        Identity
	Name      string
	PublicKey string // in OpenSSH format
}

// KeyPairState is the actual state of a key pair.
type KeyPairState struct {
	Name      string
	PublicKey string // type and base64, without a comment
	Wanted    string // the public key that it will have after up
	Tags      Tags
}

var (
	_ Kind[KeyPairState]                = KeyPair{}
	_ Discoverer                        = KeyPair{}
	_ provision.Predictor[KeyPairState] = KeyPair{}
	_ provision.Labelled                = KeyPairState{}
)

var _ = awserr.Declare(awserr.Errors{Codes: awserr.Codes{
	awserr.Absent:   `InvalidKeyPair.NotFound`,
	awserr.Conflict: `InvalidKeyPair.Duplicate`,
}})

// Owner implements provision.State.
func (s KeyPairState) Owner() provision.Owner { return s.Tags.Owner() }

// Predicted implements provision.Predictor.
func (k KeyPair) Predicted() KeyPairState {
	want := withoutComment(k.PublicKey)
	return KeyPairState{Name: k.Name, PublicKey: want, Wanted: want}
}

// Read implements provision.Resource.
func (k KeyPair) Read(ctx context.Context) (KeyPairState, error) {
	s, err := readKey(ctx, k.API, k.Name)
	s.Wanted = withoutComment(k.PublicKey)
	return s, err
}

func readKey(ctx context.Context, api *ec2.Client, name string) (KeyPairState, error) {
	out, err := api.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{KeyNames: []string{name}, IncludePublicKey: new(true)})
	if awserr.Code(err) == "InvalidKeyPair.NotFound" || err == nil && len(out.KeyPairs) == 0 {
		return KeyPairState{}, fmt.Errorf("read key pair: %w", provision.ErrAbsent)
	}
	if err != nil {
		return KeyPairState{}, fmt.Errorf("read key pair: %w", err)
	}
	p := out.KeyPairs[0]
	key := withoutComment(deref(p.PublicKey))
	return KeyPairState{Name: deref(p.KeyName), PublicKey: key, Wanted: key, Tags: ec2Tags(p.Tags)}, nil
}

// Discover implements Discoverer.
func (k KeyPair) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	out, err := k.API.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{Filters: []types.Filter{hasOwnerTag()}})
	if err != nil {
		return nil, fmt.Errorf("list key pairs in %s: %w", k.ID.Region, err)
	}
	for _, o := range out.KeyPairs {
		list = append(list, Found{Kind: "key pair", Name: deref(o.KeyName), Created: deref(o.CreateTime), Tags: ec2Tags(o.Tags)})
	}
	return list, nil
}

// Create implements provision.Resource.
func (k KeyPair) Create(ctx context.Context) (*KeyPairState, error) {
	_, err := k.API.ImportKeyPair(ctx, &ec2.ImportKeyPairInput{
		KeyName: &k.Name, PublicKeyMaterial: []byte(withoutComment(k.PublicKey)),
		TagSpecifications: ec2TagsFor(k.ID.Tags(k.Name), types.ResourceTypeKeyPair),
	})
	if err != nil {
		return nil, fmt.Errorf("import key pair: %w", err)
	}
	return nil, nil
}

// Changes implements provision.Resource. EC2 cannot change the key of a key pair, so up
// deletes the pair and imports it again. If the run is killed in between, the next one
// finds no pair and imports it.
func (k KeyPair) Changes(have KeyPairState) []provision.Change {
	c := tagChange(have.Tags, k.ID.Tags(k.Name), false, tagger{k.setTags, k.dropTags})
	if want := withoutComment(k.PublicKey); have.PublicKey != want {
		c = append(c, provision.Change{
			Field: "public key", From: provision.Text(fingerprint(have.PublicKey)), To: provision.Text(fingerprint(want)),
			Replace: have.Name != "", Do: k.reimport,
		})
	}
	return c
}

func (k KeyPair) reimport(ctx context.Context) error {
	if err := k.Delete(ctx, KeyPairState{}); err != nil {
		return fmt.Errorf("delete key pair: %w", err)
	}
	_, err := k.Create(ctx)
	return err
}

func (k KeyPair) setTags(ctx context.Context, t Tags) error {
	ids, err := k.ids(ctx)
	if err != nil {
		return err
	}
	_, err = k.API.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: tagList(t, ec2Tag)})
	return err
}

func (k KeyPair) dropTags(ctx context.Context, keys []string) error {
	ids, err := k.ids(ctx)
	if err != nil {
		return err
	}
	return dropEC2Tags(ctx, k.API, ids, keys)
}

// ids returns the ids of the key pair: EC2 does not accept its name for tags.
func (k KeyPair) ids(ctx context.Context) (ids []string, err error) {
	out, err := k.API.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{KeyNames: []string{k.Name}})
	if err != nil {
		return nil, err
	}
	for _, p := range out.KeyPairs {
		ids = append(ids, deref(p.KeyPairId))
	}
	return ids, nil
}

// Delete implements provision.Resource.
func (k KeyPair) Delete(ctx context.Context, _ KeyPairState) error {
	_, err := k.API.DeleteKeyPair(ctx, &ec2.DeleteKeyPairInput{KeyName: &k.Name})
	return awserr.Gone(err)
}

// ExistingKey is an external key pair.
type ExistingKey struct {
	API  *ec2.Client
	Name string
}

// Read implements provision.DataSource.
func (k ExistingKey) Read(ctx context.Context) (KeyPairState, error) {
	s, err := readKey(ctx, k.API, k.Name)
	if err != nil {
		return s, fmt.Errorf("key pair %q (ssh.key_name): %w", k.Name, err)
	}
	return s, nil
}

// withoutComment removes the comment from an OpenSSH public key.
func withoutComment(s string) string {
	if f := strings.Fields(s); len(f) > 1 {
		return f[0] + " " + f[1]
	}
	return ""
}

// fingerprint is the type and fingerprint of a key, as ssh-keygen shows them.
func fingerprint(bare string) string {
	if bare == "" {
		return ""
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(bare))
	if err != nil {
		return bare
	}
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}

func ec2Tag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }

func ec2Tags(list []types.Tag) Tags {
	return tagsOf(list, func(t types.Tag) (*string, *string) { return t.Key, t.Value })
}

// hasOwnerTag is a filter for the EC2 objects of all environments.
func hasOwnerTag() types.Filter { return filter("tag-key", KeyEnvironment) }

// dropEC2Tags removes tags regardless of their values.
func dropEC2Tags(ctx context.Context, api *ec2.Client, ids, keys []string) error {
	list := make([]types.Tag, len(keys))
	for i := range keys {
		list[i] = types.Tag{Key: &keys[i]}
	}
	_, err := api.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: ids, Tags: list})
	return err
}

// ec2TagsFor returns the tags for the objects that a call creates.
func ec2TagsFor(t Tags, kinds ...types.ResourceType) (specs []types.TagSpecification) {
	for _, k := range kinds {
		specs = append(specs, types.TagSpecification{ResourceType: k, Tags: tagList(t, ec2Tag)})
	}
	return specs
}

// Costs implements Kind.
func (KeyPair) Costs() []cost.Usage { return nil }

// Permissions are what the calls need. Up deletes a pair whose key differs, and imports
// it again.
func (k KeyPair) Permissions() Permissions {
	pair := "key-pair/" + k.Name
	return Permissions{
		Read: []Permission{on("*", "ec2:DescribeKeyPairs")},
		Build: slices.Concat([]Permission{
			k.ID.requested(on(k.ID.ec2(pair), "ec2:ImportKeyPair")),
			k.ID.tagged(pair, "ec2:DeleteKeyPair"),
		}, k.ID.tagging(pair, "ImportKeyPair")),
		Delete: []Permission{k.ID.tagged(pair, "ec2:DeleteKeyPair")},
	}
}

// Permissions are what the call needs.
func (k ExistingKey) Permissions() Permissions {
	return Permissions{Read: []Permission{on("*", "ec2:DescribeKeyPairs")}}
}
