package e2e

import (
	"context"
	"crypto/sha1" //nolint:gosec // the names of cached tokens
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/e2e/venv"
)

// judge makes the call that flowbed begins with, as the AWS command line does.
const judge = `import sys, botocore.session
s = botocore.session.Session(profile=sys.argv[1] or None)
s.get_component("credential_provider").get_provider("assume-role")._prompter = lambda _: "123456"
try:
    s.create_client("sts").get_caller_identity()
except Exception as e:
    sys.exit(repr(e))
`

const profiles = `
[profile keys]
region = us-east-1
aws_access_key_id = AKIAKEYS
aws_secret_access_key = example
[profile default-region]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = example
[profile role]
region = eu-west-1
role_arn = arn:aws:iam::123456789012:role/admin
source_profile = keys
[profile details]
region = us-east-1
role_arn = arn:aws:iam::123456789012:role/details
source_profile = keys
external_id = a-partner
duration_seconds = 7200
role_session_name = ada
[profile chain]
region = us-east-1
role_arn = arn:aws:iam::123456789012:role/second
source_profile = role
[profile self]
region = us-east-1
role_arn = arn:aws:iam::123456789012:role/self
source_profile = self
aws_access_key_id = AKIASELF
aws_secret_access_key = example
[profile process]
region = us-east-1
credential_process = echo '{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "example", "SessionToken": "t"}'
[profile from-process]
region = us-east-1
role_arn = arn:aws:iam::123456789012:role/process
source_profile = process
[profile environment]
region = us-east-1
role_arn = arn:aws:iam::123456789012:role/environment
credential_source = Environment
[profile web]
region = us-east-1
role_arn = arn:aws:iam::123456789012:role/web
role_session_name = web
web_identity_token_file = TOKEN
[profile sso]
region = us-east-1
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Admin
[sso-session corp]
sso_region = us-west-2
sso_start_url = https://corp.awsapps.com/start
[profile from-sso]
region = us-east-1
role_arn = arn:aws:iam::123456789012:role/sso
source_profile = sso
[profile login]
region = us-east-1
login_session = me
[profile from-login]
region = us-east-1
role_arn = arn:aws:iam::123456789012:role/console
source_profile = login
[profile mfa]
region = us-east-1
role_arn = arn:aws:iam::123456789012:role/mfa
source_profile = keys
mfa_serial = arn:aws:iam::123456789012:mfa/me
`

// witness is an endpoint of STS and SSO that remembers what it was asked.
type witness struct {
	mu    sync.Mutex
	asked []string
}

var scope = regexp.MustCompile(`Credential=([^/]+)/\d+/([^/]+)/([^/]+)/`)

func (w *witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	line := "GET " + r.URL.Path
	if r.Method == http.MethodPost {
		_ = r.ParseForm()
		line = r.Form.Get("Action")
		for _, name := range []string{"RoleArn", "ExternalId", "DurationSeconds", "SerialNumber", "TokenCode", "WebIdentityToken"} {
			if v := r.Form.Get(name); v != "" && (name != "DurationSeconds" || v != "900" && v != "3600") { // the default's name differs
				line += " " + name + "=" + v
			}
		}
		if v := r.Form.Get("RoleSessionName"); v == "ada" || v == "web" { // those that are set; others are random
			line += " RoleSessionName=" + v
		}
	}
	if m := scope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		line += " by " + m[1] + " in " + m[2]
	}
	w.mu.Lock()
	w.asked = append(w.asked, line)
	w.mu.Unlock()
	const ns = ` xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`
	credentials := func(key string) string {
		return `<Credentials><AccessKeyId>` + key + `</AccessKeyId><SecretAccessKey>example</SecretAccessKey>` +
			`<SessionToken>example</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>`
	}
	role := strings.ToUpper(r.Form.Get("RoleArn")[strings.LastIndex(r.Form.Get("RoleArn"), "/")+1:])
	switch action := r.Form.Get("Action"); action {
	case "AssumeRole", "AssumeRoleWithWebIdentity":
		fmt.Fprintf(out, `<%[1]sResponse%[2]s><%[1]sResult>%[3]s<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/x/y</Arn>`+
			`<AssumedRoleId>AROA:y</AssumedRoleId></AssumedRoleUser></%[1]sResult></%[1]sResponse>`, action, ns, credentials("ASIA"+role))
	case "GetCallerIdentity":
		fmt.Fprintf(out, `<GetCallerIdentityResponse%s><GetCallerIdentityResult><Account>123456789012</Account>`+
			`<Arn>arn:aws:iam::123456789012:user/ada</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`, ns)
	default:
		fmt.Fprint(out, `{"roleCredentials": {"accessKeyId": "ASIASSO", "secretAccessKey": "example", "sessionToken": "example", "expiration": 4102444800000}}`)
	}
}

// awsHome is a home directory with the profiles, and with tokens as logins leave them.
func awsHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	token := func(name string) string { return filepath.Join(home, ".aws", filepath.FromSlash(name)) }
	sso, login := sha1.Sum([]byte("corp")), sha256.Sum256([]byte("me")) //nolint:gosec // as AWS has it
	for path, text := range map[string]string{
		"config": strings.Replace(profiles, "TOKEN", token("web"), 1),
		"web":    "a-token",
		"sso/cache/" + hex.EncodeToString(sso[:]) + ".json": `{"startUrl": "https://corp.awsapps.com/start", "region": "us-west-2", "accessToken": "example", "expiresAt": "2099-01-01T00:00:00Z"}`,
		"login/cache/" + hex.EncodeToString(login[:]) + ".json": `{"accessToken": {"accessKeyId": "ASIALOGIN", "secretAccessKey": "example", "sessionToken": "example",
			"accountId": "123456789012", "expiresAt": "2099-01-01T00:00:00Z"}, "clientId": "x", "refreshToken": "example", "dpopKey": "example"}`,
	} {
		if err := os.MkdirAll(filepath.Dir(token(path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(token(path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(home, "config.hcl"), []byte(`environment "dev" {}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return home
}

// tools are the two programs that are compared.
type tools struct{ flowbed, python string }

func bothTools(t *testing.T) tools {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := venv.Tools()
	if err != nil {
		t.Fatal(err)
	}
	return tools{binary, filepath.Join(dir, "bin", "python")}
}

// run runs a program without the settings of the machine that the test runs on.
func (tools) run(home string, env []string, name string, args ...string) (string, error) {
	c := exec.CommandContext(context.Background(), name, args...)
	c.Dir = home
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AWS_EC2_METADATA_DISABLED=true"}, env...)
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestCredentialsAsBotocoreHasThem: flowbed asks the same services for the same credentials,
// with the same keys, in the same regions, as the AWS command line.
func TestCredentialsAsBotocoreHasThem(t *testing.T) {
	t.Parallel()
	both, home := bothTools(t), awsHome(t)
	files := []string{"AWS_CONFIG_FILE=~/.aws/config"}
	keys := []string{"AWS_ACCESS_KEY_ID=AKIAENV", "AWS_SECRET_ACCESS_KEY=example"}
	for _, c := range []struct {
		profile string // of the command; empty for none
		env     []string
	}{
		{"keys", nil},
		{"default-region", []string{"AWS_DEFAULT_REGION=eu-central-1"}},
		{"role", nil}, {"details", nil}, {"chain", nil}, {"self", nil},
		{"process", nil}, {"from-process", nil},
		{"environment", keys}, {"web", nil},
		{"sso", nil}, {"from-sso", nil},
		{"role", keys}, // the profile of the command takes precedence
		{"", append([]string{"AWS_PROFILE=role"}, keys...)},
		{"", append([]string{"AWS_DEFAULT_REGION=us-east-1"}, keys...)},
		{"", []string{"AWS_PROFILE=chain"}},
		{"keys", files}, {"keys", []string{"AWS_CONFIG_FILE=$HOME/.aws/config"}}, {"keys", []string{"AWS_CONFIG_FILE=${HOME}/.aws/config"}},
	} {
		t.Run(strings.Join(append([]string{c.profile}, c.env...), " "), func(t *testing.T) {
			var asked [2][]string
			for i := range asked {
				w := &witness{}
				s := httptest.NewServer(w)
				env := append(slices.Clone(c.env), "AWS_ENDPOINT_URL="+s.URL)
				var out string
				var err error
				if i == 0 {
					out, err = both.run(home, env, both.python, "-c", judge, c.profile)
				} else {
					out, err = both.run(home, env, both.flowbed, "policy", "--for", "up", "--profile", c.profile)
				}
				s.Close()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				asked[i] = w.asked
			}
			if d := cmp.Diff(asked[0], asked[1]); d != "" || len(asked[0]) == 0 {
				t.Errorf("requests (-botocore +flowbed):\n%s", d)
			}
		})
	}
}

// TestLoginSessions: botocore needs a compiled extension for these, which its own tests
// replace. The rule is AWS's: a profile with login_session can be a source profile, too.
// https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sign-in.html
func TestLoginSessions(t *testing.T) {
	t.Parallel()
	both, home := bothTools(t), awsHome(t)
	for profile, want := range map[string][]string{
		"login":      {"GetCallerIdentity by ASIALOGIN in us-east-1"},
		"from-login": {"AssumeRole RoleArn=arn:aws:iam::123456789012:role/console by ASIALOGIN in us-east-1", "GetCallerIdentity by ASIACONSOLE in us-east-1"},
	} {
		w := &witness{}
		s := httptest.NewServer(w)
		out, err := both.run(home, []string{"AWS_ENDPOINT_URL=" + s.URL}, both.flowbed, "policy", "--for", "up", "--profile", profile)
		s.Close()
		if d := cmp.Diff(want, w.asked); d != "" || err != nil {
			t.Errorf("%s: %v\n%s\nrequests (-want +have):\n%s", profile, err, out, d)
		}
	}
}

// TestEndpointsAsBotocoreHasThem: both ask a proxy for the same host.
func TestEndpointsAsBotocoreHasThem(t *testing.T) {
	t.Parallel()
	both, home := bothTools(t), awsHome(t)
	fips := home + "/fips"
	if err := os.WriteFile(fips, []byte(profiles+"[profile fips]\nregion = us-east-1\naws_access_key_id = AKIA\naws_secret_access_key = example\nuse_fips_endpoint = true\n"+
		"[profile dual]\nregion = us-east-1\naws_access_key_id = AKIA\naws_secret_access_key = example\nuse_dualstack_endpoint = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		profile string
		env     []string
	}{
		{"keys", nil}, {"role", nil},
		{"keys", []string{"AWS_USE_FIPS_ENDPOINT=true"}},
		{"keys", []string{"AWS_USE_FIPS_ENDPOINT=TRUE"}},
		{"keys", []string{"AWS_USE_DUALSTACK_ENDPOINT=true"}},
		{"fips", []string{"AWS_CONFIG_FILE=" + fips}},
		{"fips", []string{"AWS_CONFIG_FILE=" + fips, "AWS_USE_FIPS_ENDPOINT=false"}},
		{"dual", []string{"AWS_CONFIG_FILE=" + fips}},
	} {
		t.Run(strings.Join(append([]string{c.profile}, c.env...), " "), func(t *testing.T) {
			var asked [2]string
			for i := range asked {
				at := make(chan string, 20)
				proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					host, _, _ := net.SplitHostPort(r.Host)
					at <- host
					w.WriteHeader(http.StatusForbidden)
				}))
				name := map[bool]string{true: "HTTPS_PROXY", false: "https_proxy"}[len(c.env) == 0]
				env := append(slices.Clone(c.env), name+"="+proxy.URL, "AWS_MAX_ATTEMPTS=1")
				var err error
				if i == 0 {
					_, err = both.run(home, env, both.python, "-c", judge, c.profile)
				} else {
					_, err = both.run(home, env, both.flowbed, "policy", "--for", "up", "--profile", c.profile)
				}
				proxy.Close()
				if err == nil {
					t.Fatal("the proxy refuses, and there is no error")
				}
				asked[i] = <-at
			}
			if asked[0] != asked[1] {
				t.Errorf("botocore asks %s, flowbed %s", asked[0], asked[1])
			}
		})
	}
}
