package ec2

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/crypto/ssh"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, importKeyPair, importKeyAccess)
	core.Register(service, describeKeyPairs, core.Anything)
	core.Register(service, deleteKeyPair, deleteKeyAccess)
}

// importKeyPair accepts RSA and ED25519 keys, as EC2 does. EC2 replaces the key's
// comment with the name of the pair.
func importKeyPair(r *request, in *ec2.ImportKeyPairInput) (*ec2.ImportKeyPairOutput, error) {
	d, name := r.db(), aws.ToString(in.KeyName)
	if name == "" || len(name) > 255 || strings.TrimSpace(name) != name {
		return nil, core.Fail("InvalidParameterValue", "Invalid value '%s' for keyPairName.", name)
	}
	if d.Keys[name] != nil {
		return nil, core.Fail("InvalidKeyPair.Duplicate", "The keypair '%s' already exists.", name)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(in.PublicKeyMaterial)
	if err != nil {
		return nil, core.Fail("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
	}
	k := &keyPair{
		Name: name, Created: r.Now,
		PublicKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " " + name,
	}
	switch key.Type() {
	case ssh.KeyAlgoED25519:
		sum := sha256.Sum256(key.Marshal())
		k.Type, k.Fingerprint = "ed25519", base64.StdEncoding.EncodeToString(sum[:])
	case ssh.KeyAlgoRSA:
		k.Type, k.Fingerprint = "rsa", md5Fingerprint(key)
	default:
		return nil, core.Fail("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
	}
	if k.Tags, err = specified(in.TagSpecifications, types.ResourceTypeKeyPair); err != nil {
		return nil, err
	}
	k.ID = r.ID("key")
	d.Keys[name] = k
	return &ec2.ImportKeyPairOutput{KeyName: &k.Name, KeyPairId: &k.ID, KeyFingerprint: &k.Fingerprint, Tags: tagList(k.Tags)}, nil
}

// md5Fingerprint returns the fingerprint that EC2 shows for an imported RSA key.
func md5Fingerprint(key ssh.PublicKey) string {
	crypto, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return ""
	}
	der, err := x509.MarshalPKIXPublicKey(crypto.CryptoPublicKey())
	if err != nil {
		return ""
	}
	var parts []string
	for _, b := range md5.Sum(der) {
		parts = append(parts, hex.EncodeToString([]byte{b}))
	}
	return strings.Join(parts, ":")
}

func describeKeyPairs(r *request, in *ec2.DescribeKeyPairsInput) (*ec2.DescribeKeyPairsOutput, error) {
	d, names := r.db(), in.KeyNames
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(d.Keys))
	}
	out := &ec2.DescribeKeyPairsOutput{}
	for _, name := range names {
		k := d.Keys[name]
		if k == nil {
			return nil, core.Fail("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", name)
		}
		if len(in.KeyPairIds) > 0 && !slices.Contains(in.KeyPairIds, k.ID) {
			continue
		}
		ok, err := matches(in.Filters, k.Tags, map[string][]string{
			"key-name":    {k.Name},
			"key-pair-id": {k.ID},
			"fingerprint": {k.Fingerprint},
		})
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		info := types.KeyPairInfo{
			KeyName: &k.Name, KeyPairId: &k.ID, KeyFingerprint: &k.Fingerprint, KeyType: types.KeyType(k.Type),
			CreateTime: &k.Created, Tags: tagList(k.Tags),
		}
		if aws.ToBool(in.IncludePublicKey) {
			info.PublicKey = &k.PublicKey
		}
		out.KeyPairs = append(out.KeyPairs, info)
	}
	return out, nil
}

// deleteKeyPair succeeds for a name that does not exist, as on AWS.
func deleteKeyPair(r *request, in *ec2.DeleteKeyPairInput) (*ec2.DeleteKeyPairOutput, error) {
	d := r.db()
	for name, k := range d.Keys {
		if name == aws.ToString(in.KeyName) || k.ID == aws.ToString(in.KeyPairId) {
			delete(d.Keys, name)
			return &ec2.DeleteKeyPairOutput{Return: aws.Bool(true), KeyPairId: &k.ID}, nil
		}
	}
	return &ec2.DeleteKeyPairOutput{Return: aws.Bool(true)}, nil
}
