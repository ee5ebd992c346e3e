package stack

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Endpoints are the endpoints that a configuration sets, for all services or for single
// ones: AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_S3, for example, or endpoint_url and
// services in a profile. Passwords in them are masked.
type Endpoints struct {
	General  string            // of the services that are not in Services; empty for AWS's own
	Services map[string]string // of the services that go elsewhere; empty if there are none
}

// EndpointsOf returns the endpoints of the services that flowbed calls. The SDK decides
// which setting wins: EndpointsOf creates the clients and looks at what they got. AWS's
// own FIPS and dual-stack endpoints do not count, because they lead to the same account.
func EndpointsOf(cfg aws.Config) Endpoints {
	return split(aws.ToString(cfg.BaseEndpoint), endpointsByService(cfg))
}

// endpointsByService returns the endpoint of each service, empty for AWS's own. Its
// clients are all that flowbed has.
func endpointsByService(cfg aws.Config) map[string]string {
	all := map[string]string{}
	cfg.ServiceOptions = append(slices.Clone(cfg.ServiceOptions), func(id string, options any) {
		all[serviceKey(id)] = aws.ToString(baseEndpoint(options))
	})
	NewClients(cfg)
	sts.NewFromConfig(cfg) // for the caller, and so for the account
	return all
}

// split tells the services that go elsewhere from the others.
func split(general string, all map[string]string) Endpoints {
	places := map[string]bool{}
	for _, e := range all {
		places[place(e)] = true
	}
	if len(places) == 1 { // also if each service has a setting of its own
		general = all[slices.Min(slices.Collect(maps.Keys(all)))]
	}
	e := Endpoints{General: masked(general)}
	for service, at := range all {
		if place(at) == place(general) {
			continue
		}
		if e.Services == nil {
			e.Services = map[string]string{}
		}
		e.Services[service] = masked(at)
	}
	return e
}

// serviceKey is the name of a service in the services section of AWS's config file. In
// upper case it ends the name of the environment variable:
// https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html
func serviceKey(id string) string { return strings.ReplaceAll(strings.ToLower(id), " ", "_") }

// baseEndpoint is BaseEndpoint of a client's options. Each service has a type of its own
// for them, with the same field.
func baseEndpoint(options any) *string {
	return reflect.ValueOf(options).Elem().FieldByName("BaseEndpoint").Interface().(*string)
}

// place is an endpoint in a form that can be compared.
func place(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	u.Scheme, u.Host, u.User = strings.ToLower(u.Scheme), strings.ToLower(u.Host), nil
	switch u.Scheme {
	case "http":
		u.Host = strings.TrimSuffix(u.Host, ":80")
	case "https":
		u.Host = strings.TrimSuffix(u.Host, ":443")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u.String()
}

// masked is an endpoint for people.
func masked(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "(not a valid URL)"
	}
	if u.User == nil {
		return endpoint
	}
	return u.Redacted()
}
