package ssm

import (
	"cmp"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"strconv"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// NotKept is the value of a SecureString if the sandbox has only its fingerprint and no
// value in Account.Secrets matches it. Before it stands what the sandbox's Prefect looks
// at: a later run must find a wrong key as wrong as it was.
const NotKept = "(not kept by the sandbox)"

// standIn returns what the account's file has in place of a secret.
func standIn(secret string) string {
	kind := ""
	for _, prefix := range []string{"pnu_", "pnb_"} { // the keys of Prefect Cloud
		if strings.HasPrefix(secret, prefix) {
			kind = prefix
		}
	}
	if strings.Contains(secret, "wrong") {
		kind += "wrong"
	}
	return kind + NotKept
}

// secretPrint is a fingerprint: it recognizes a secret without revealing it. It is
// slow to compute, so nobody can easily guess a short secret from the file.
type secretPrint struct {
	Salt   []byte `json:"salt"`
	Rounds int    `json:"rounds"`
	Sum    []byte `json:"sum"`
}

const rounds = 100_000 // about 20 ms

func newFingerprint(secret string) (*secretPrint, error) {
	f := &secretPrint{Salt: make([]byte, 16), Rounds: rounds}
	rand.Read(f.Salt) // never fails
	var err error
	f.Sum, err = f.sum(secret)
	return f, err
}

func (f *secretPrint) sum(secret string) ([]byte, error) {
	return pbkdf2.Key(sha256.New, secret, f.Salt, f.Rounds, sha256.Size)
}

func (f *secretPrint) matches(secret string) bool {
	sum, err := f.sum(secret)
	return err == nil && hmac.Equal(sum, f.Sum)
}

// secretKey returns the key of a SecureString's version in the map of secrets. Another
// process may have deleted the parameter and created it anew, so the version is not enough.
func secretKey(region string, p *parameter) string {
	return region + " " + p.Name + " " + strconv.FormatInt(p.Version, 10) + " " + p.Modified.UTC().Format(time.RFC3339Nano)
}

// secrets returns the values that were put into this account, by secretKey.
func (r *request) secrets() map[string]string {
	known := secrets.Of(r.Request)
	if *known == nil {
		*known = map[string]string{}
	}
	return *known
}

var secrets = new(core.Memory[map[string]string])

// secret returns the value of a SecureString in the call's region.
func (r *request) secret(p *parameter) string {
	key := secretKey(r.Region, p)
	if v, ok := r.secrets()[key]; ok {
		return v
	}
	for _, s := range r.Account.Secrets {
		if p.Fingerprint != nil && p.Fingerprint.matches(s) {
			r.secrets()[key] = s // a fingerprint is slow to compute
			return s
		}
	}
	return cmp.Or(p.StandIn, NotKept)
}

func init() { core.BeforeSaving(fingerprints) }

// fingerprints computes missing fingerprints before the account is saved.
func fingerprints(call *core.Request) error {
	for region, d := range part.All(call) {
		r := &request{call.In(region)}
		for _, p := range d.Parameters {
			if !p.secure() || p.Fingerprint != nil {
				continue
			}
			var err error
			secret := r.secret(p)
			p.StandIn = standIn(secret)
			if p.Fingerprint, err = newFingerprint(secret); err != nil {
				return err
			}
		}
	}
	return nil
}
