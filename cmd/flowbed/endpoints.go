package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/flowbed/flowbed/provision/doctor"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

// setEndpoints adds the endpoints of the configuration to a header. The sandbox has none.
func (a *app) setEndpoints(h *view.Header, cfg aws.Config) {
	if a.sandbox {
		return
	}
	e := stack.EndpointsOf(cfg)
	h.Endpoint, h.Endpoints = e.General, e.Services
}

// checkEndpoints returns an error if the calls of some services go elsewhere, unless
// --accept-endpoints is set. A removal would look for some of the objects in the wrong
// place, not find them there, and report that none are left.
func checkEndpoints(h view.Header, accept bool) error {
	if accept || len(h.Endpoints) == 0 {
		return nil
	}
	return &hinted{
		fmt.Errorf("the AWS services have different endpoints (%s), so flowbed may look for resources in the wrong place; nothing was changed", h.Places()),
		oneEndpoint(h) + "; if the environment was built with these endpoints, add --accept-endpoints"}
}

// oneEndpoint tells how to give all services the same endpoint.
func oneEndpoint(h view.Header) string {
	var settings []string
	for _, s := range slices.Sorted(maps.Keys(h.Endpoints)) {
		settings = append(settings, "AWS_ENDPOINT_URL_"+strings.ToUpper(s))
	}
	return "unset " + strings.Join(settings, ", ") + ", or remove `services` from the AWS profile"
}

// checkupOfEndpoints is doctor's finding about them; empty if all services have the same.
func checkupOfEndpoints(h view.Header) []doctor.Finding {
	if len(h.Endpoints) == 0 {
		return nil
	}
	return []doctor.Finding{{
		Check: "endpoints", Status: doctor.Warn, Todo: oneEndpoint(h) + ", unless the environment is meant to be spread like that",
		Text: "the AWS services have different endpoints: " + h.Places(),
	}}
}
