package resource

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/prefect"
)

// The tags that tell which Prefect API an environment uses. With them, a run without the
// config file can remove the work pool.
const (
	// KeyPrefectAPI is the URL of the API that has the work pool. It is on the log group, and
	// on the parameter with the secret. Only the parameter's tag decides where the secret may
	// be sent: who may tag the log group must not be able to have it sent elsewhere.
	KeyPrefectAPI = "flowbed:prefect-api"

	// KeyPrefectAuth is on the parameter. It tells how to use the secret.
	KeyPrefectAuth = "flowbed:prefect-auth"
)

// The values of KeyPrefectAuth.
const (
	authKey    = "api-key"     // Prefect Cloud's
	authString = "auth-string" // user:password of a server
)

// APITags returns the tags of the parameter with the secret for the API at a URL.
func APITags(api string, basic bool) Tags {
	text, ok := apiTag(api)
	switch {
	case !ok:
		return nil
	case basic:
		return Tags{KeyPrefectAPI: text, KeyPrefectAuth: authString}
	}
	return Tags{KeyPrefectAPI: text, KeyPrefectAuth: authKey}
}

// inTag reports whether a tag may contain a character. Others are escaped, and so is the
// sign that begins an escape.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagResource.html
func inTag(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("_.:/+-@", b) >= 0
}

// apiTag returns the URL of an API as the value of a tag. It is never longer than a tag may
// be, and never contains a user or a query: ok is false if the URL cannot be recorded.
func apiTag(api string) (text string, ok bool) {
	u, err := url.Parse(api)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", false
	}
	var b strings.Builder
	for _, c := range []byte(strings.TrimRight(api, "/")) {
		if inTag(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String(), b.Len() <= maxTagValue
}

// taggedAPI returns the URL in tags; empty if there is none, or one that flowbed would not
// have written.
func taggedAPI(t Tags) string {
	parts := strings.Split(t[KeyPrefectAPI], "=")
	var b strings.Builder
	b.WriteString(parts[0])
	for _, p := range parts[1:] {
		if len(p) < 2 {
			return ""
		}
		c, err := strconv.ParseUint(p[:2], 16, 8)
		if err != nil {
			return ""
		}
		b.WriteByte(byte(c))
		b.WriteString(p[2:])
	}
	if _, ok := apiTag(b.String()); !ok || !utf8.ValidString(b.String()) {
		return ""
	}
	return b.String()
}

// PoolAPI finds the API of the work pools for a run that deletes an environment: with the
// settings of the config file, or with what the environment records if the file lacks them.
// It reads the secret while the parameter still exists, and keeps it for this run.
type PoolAPI struct {
	Config prefect.Config // of the config file; the URL is empty if the file has no valid one
	SSM    *ssm.Client
	ID     Identity
	Names  *NameLog

	// Logs and Parameter await the readings of the log group and of the parameter with the
	// secret. The steps of the pools must depend on both.
	Logs      func(context.Context) (LogGroupState, error)
	Parameter func(context.Context) (ParameterState, error)

	Learned func(secret string) // is told the secret before it is used; may be nil

	mu   sync.Mutex
	done bool
	api  *prefect.Client
	why  string
	url  string
}

// open returns the client; or, if there is none, why. The error is that of a call to AWS
// that should be repeated.
func (a *PoolAPI) open(ctx context.Context) (api *prefect.Client, why string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return a.api, a.why, nil
	}
	c := a.Config
	if c.URL == "" || c.APIKey == "" && c.AuthString == "" && c.Read == nil {
		why, err = a.complete(ctx, &c)
		if err != nil {
			return nil, "", err
		}
	}
	if a.url = c.URL; c.URL != "" && why == "" {
		if a.api, err = prefect.New(c); err != nil {
			why = err.Error()
		}
	}
	a.why, a.done = why, c.URL != ""
	return a.api, a.why, nil
}

// complete adds what the environment records.
func (a *PoolAPI) complete(ctx context.Context, c *prefect.Config) (why string, err error) {
	if _, err := a.Logs(ctx); err != nil && !errors.Is(err, provision.ErrAbsent) {
		return "", err
	}
	if c.URL == "" {
		c.URL = taggedAPI(a.Names.Seen())
	}
	if c.URL == "" {
		return "the environment does not record the URL of its Prefect API", nil
	}
	p, err := a.Parameter(ctx)
	switch {
	case errors.Is(err, provision.ErrAbsent):
		return "", nil
	case err != nil:
		return "", err
	case p.Owner().By != a.ID.Owner() || taggedAPI(p.Tags) != strings.TrimRight(c.URL, "/"):
		return "", nil // the secret is not for this API
	}
	secret, why, err := a.secret(ctx, p.Name)
	switch {
	case err != nil || why != "":
		return why, err
	case p.Tags[KeyPrefectAuth] == authString:
		c.AuthString = secret
	default:
		c.APIKey = secret
	}
	return "", nil
}

// records reports whether the environment records a work pool with a name, or did so when this run
// began.
func (a *PoolAPI) records(ctx context.Context, name string) (bool, error) {
	if _, err := a.Logs(ctx); err != nil && !errors.Is(err, provision.ErrAbsent) {
		return false, err
	}
	return slices.Contains(RecordedNames(a.Names.Seen())[KindWorkPool], name), nil
}

// secret reads the secret. Why it may not be read is no error: the rest can go without it.
func (a *PoolAPI) secret(ctx context.Context, name string) (secret, why string, err error) {
	out, err := a.SSM.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: new(true)})
	if err != nil {
		err = fmt.Errorf("read the secret of the Prefect API: %w", err)
		if awserr.Retry(err) || awserr.Fatal(err) || ctx.Err() != nil {
			return "", "", err
		}
		return "", err.Error(), nil
	}
	secret = deref(deref(out.Parameter).Value)
	if a.Learned != nil {
		a.Learned(secret)
	}
	return secret, "", nil
}

// recorded reports whether the URL is not from the config file.
func (a *PoolAPI) recorded() bool { return a.Config.URL == "" }

// at is the URL as an error shows it; empty if it is not known.
func (a *PoolAPI) at() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.url
}

// permission is the permission to read the secret. The key of a SecureString is AWS's own,
// aws/ssm, whose policy lets everybody in the account use it through SSM.
func (a *PoolAPI) permission() Permission {
	return on(a.ID.ARN("ssm", a.ID.Region, "parameter"+a.ID.Names().APIKey()), "ssm:GetParameter")
}
