package stack

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
)

const (
	general = "http://127.0.0.1:5000"
	minio   = "http://127.0.0.1:9000"
	other   = "https://logs.example.com/v1"
)

// profiles is the AWS config file of the tests.
const profiles = `
[profile general]
endpoint_url = http://127.0.0.1:5000

[profile single]
services = elsewhere

[profile both]
endpoint_url = http://127.0.0.1:5000
services     = elsewhere

[profile ignored]
endpoint_url = http://127.0.0.1:5000
services     = elsewhere
ignore_configured_endpoint_urls = true

[services elsewhere]
s3 =
  endpoint_url = http://127.0.0.1:9000
cloudwatch_logs =
  endpoint_url = https://logs.example.com/v1
`

var endpointCases = []struct {
	name    string
	profile string
	env     []string
	want    Endpoints
}{
	{"nothing", "", nil, Endpoints{}},
	{"all services", "", []string{"AWS_ENDPOINT_URL=" + general}, Endpoints{General: general}},
	{"one service", "", []string{"AWS_ENDPOINT_URL_S3=" + minio}, Endpoints{Services: map[string]string{"s3": minio}}},
	{"one of all services", "", []string{"AWS_ENDPOINT_URL=" + general, "AWS_ENDPOINT_URL_S3=" + minio},
		Endpoints{General: general, Services: map[string]string{"s3": minio}}},
	{"the caller's service", "", []string{"AWS_ENDPOINT_URL_STS=" + minio}, Endpoints{Services: map[string]string{"sts": minio}}},
	{"a service that is not used", "", []string{"AWS_ENDPOINT_URL_DYNAMODB=" + minio}, Endpoints{}},
	{"the same in other words", "", []string{"AWS_ENDPOINT_URL=https://Example.com", "AWS_ENDPOINT_URL_S3=https://example.com:443/"},
		Endpoints{General: "https://Example.com"}},
	{"another path", "", []string{"AWS_ENDPOINT_URL=" + general, "AWS_ENDPOINT_URL_S3=" + general + "/s3"},
		Endpoints{General: general, Services: map[string]string{"s3": general + "/s3"}}},
	{"a password", "", []string{"AWS_ENDPOINT_URL_S3=http://ada:hunter2@127.0.0.1:9000"},
		Endpoints{Services: map[string]string{"s3": "http://ada:xxxxx@127.0.0.1:9000"}}},
	{"ignored", "", []string{"AWS_ENDPOINT_URL=" + general, "AWS_ENDPOINT_URL_S3=" + minio, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"}, Endpoints{}},
	{"FIPS and dual stack", "", []string{"AWS_USE_FIPS_ENDPOINT=true", "AWS_USE_DUALSTACK_ENDPOINT=true"}, Endpoints{}},
	{"a profile for all services", "general", nil, Endpoints{General: general}},
	{"a profile for single services", "single", nil, Endpoints{Services: map[string]string{"s3": minio, "cloudwatch_logs": other}}},
	{"a profile for both", "both", nil, Endpoints{General: general, Services: map[string]string{"s3": minio, "cloudwatch_logs": other}}},
	{"a profile that ignores", "ignored", nil, Endpoints{}},
	{"the variable before the profile", "single", []string{"AWS_ENDPOINT_URL_S3=" + other},
		Endpoints{Services: map[string]string{"s3": other, "cloudwatch_logs": other}}},
	{"the variable for all before the profile's services", "both", []string{"AWS_ENDPOINT_URL=" + other}, Endpoints{General: other}},
}

// TestEndpointsOf compares what EndpointsOf says with where the calls really go.
func TestEndpointsOf(t *testing.T) {
	for _, c := range endpointCases {
		t.Run(c.name, func(t *testing.T) {
			cfg, seen := configured(t, c.profile, c.env...)
			have := EndpointsOf(cfg)
			if d := cmp.Diff(c.want, have); d != "" {
				t.Errorf("-want +have:\n%s", d)
			}
			for key, client := range everyClient(cfg) {
				at := seen.callOf(t, client)
				want, differs := have.Services[key]
				if !differs {
					want = have.General
				}
				if want == "" && !strings.Contains(at, ".amazonaws.com/") && !strings.Contains(at, ".api.aws/") {
					t.Errorf("%s calls %s, want AWS", key, at)
				}
				if want, _, _ := strings.Cut(want, "ada:xxxxx@"); !strings.HasPrefix(strings.ToLower(at), strings.ToLower(want)) {
					t.Errorf("%s calls %s, want %s", key, at, want)
				}
			}
		})
	}
}

// Each service may have a setting of its own, and all of them the same endpoint.
func TestAllServicesElsewhere(t *testing.T) {
	cfg, _ := configured(t, "")
	for key := range endpointsByService(cfg) {
		t.Setenv("AWS_ENDPOINT_URL_"+strings.ToUpper(key), minio)
	}
	if d := cmp.Diff(Endpoints{General: minio}, EndpointsOf(cfg)); d != "" {
		t.Errorf("-want +have:\n%s", d)
	}
}

// nobodysPlace is a client of flowbed's own. It asks AWS for the plan of an account, the SDK
// knows no setting for its endpoint, and no resource is at that service.
const nobodysPlace = "freetier"

// TestEveryClientHasAnEndpoint fails if flowbed has a client that EndpointsOf leaves out.
func TestEveryClientHasAnEndpoint(t *testing.T) {
	cfg, _ := configured(t, "")
	var covered []string // by the names of their packages
	for key := range endpointsByService(cfg) {
		covered = append(covered, strings.ReplaceAll(key, "_", ""))
	}
	slices.Sort(covered)
	var fields []string
	for f := range reflect.TypeFor[Clients]().Fields() {
		if p := path.Base(f.Type.Elem().PkgPath()); p != nobodysPlace {
			fields = append(fields, p)
		}
	}
	fields = append(fields, "sts")
	slices.Sort(fields)
	if d := cmp.Diff(fields, covered); d != "" {
		t.Errorf("clients (-in Clients, and sts +in EndpointsOf):\n%s", d)
	}
	for _, p := range clientsInSource(t) {
		if p != nobodysPlace && !slices.Contains(covered, p) {
			t.Errorf("the program creates a client of %s, and EndpointsOf leaves it out", p)
		}
	}
}

// configured is a configuration as the program loads it, in an environment with no other
// settings than these. Its calls go nowhere.
func configured(t *testing.T, profile string, env ...string) (aws.Config, *recorder) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(profiles), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, v := range os.Environ() {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value) // so that it comes back
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("AWS_CONFIG_FILE", file) // the SDK has looked up HOME when the test began
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	seen := &recorder{}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedConfigProfile(profile), config.WithRegion("eu-central-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "example", "")),
		config.WithHTTPClient(seen), config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }))
	if err != nil {
		t.Fatal(err)
	}
	return cfg, seen
}

// recorder stands for the network.
type recorder struct{ url string }

var errNowhere = errors.New("the call goes nowhere")

func (r *recorder) Do(q *http.Request) (*http.Response, error) {
	r.url = q.URL.String()
	return nil, errNowhere
}

// callOf makes a call of a client, any that needs no input, and returns its URL.
func (r *recorder) callOf(t *testing.T, client any) string {
	t.Helper()
	r.url = ""
	v := reflect.ValueOf(client)
	for i := range v.NumMethod() {
		m := v.Method(i)
		if m.Type().NumIn() != 3 || m.Type().In(0) != reflect.TypeFor[context.Context]() {
			continue
		}
		m.Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.New(m.Type().In(1).Elem())})
		if r.url != "" {
			return r.url + "/"
		}
	}
	t.Errorf("%T makes no call", client)
	return ""
}

// everyClient returns the clients by the keys of their services.
func everyClient(cfg aws.Config) map[string]any {
	all := map[string]any{"sts": sts.NewFromConfig(cfg)}
	clients := reflect.ValueOf(NewClients(cfg))
	for key := range endpointsByService(cfg) {
		for i := range clients.NumField() {
			c := clients.Field(i)
			if path.Base(c.Type().Elem().PkgPath()) == strings.ReplaceAll(key, "_", "") {
				all[key] = c.Interface()
			}
		}
	}
	return all
}

// clientsInSource are the packages whose clients the program creates. The sandbox has its
// own.
func clientsInSource(t *testing.T) (packages []string) {
	t.Helper()
	creates := regexp.MustCompile(`\b(\w+)\.NewFromConfig\(`)
	for _, dir := range []string{"../../cmd/flowbed", "../doctor", "../hello", "../inventory", "../lease", "../permissions", "../resource", "."} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			for _, m := range creates.FindAllSubmatch(text, -1) {
				packages = append(packages, string(m[1]))
			}
		}
	}
	return packages
}
