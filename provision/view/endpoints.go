package view

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

func (h Header) empty() bool { return reflect.ValueOf(h).IsZero() }

// Banners warn of an account that is not on AWS, or not all of it.
func (h Header) Banners() (list []string) {
	switch {
	case h.Sandbox:
		list = append(list, "SANDBOX: nothing here is real.")
	case h.Endpoint != "":
		list = append(list, "ENDPOINT "+clean(h.Endpoint, false)+": this is not AWS.")
	}
	if len(h.Endpoints) > 0 {
		list = append(list, "ENDPOINTS DIFFER: "+h.Places()+".")
	}
	return list
}

// endpoints are rows of a header: the endpoint, and those of the services that differ.
func (h Header) endpoints() [][2]string {
	rows := [][2]string{{"endpoint", h.endpoint()}}
	for _, s := range h.services() {
		rows = append(rows, [2]string{"endpoint " + clean(s, false), h.Endpoints[s]})
	}
	return rows
}

func (h Header) endpoint() string {
	switch {
	case h.Sandbox:
		return "the embedded sandbox"
	case h.Endpoint != "":
		return h.Endpoint
	}
	return "AWS"
}

func (h Header) services() []string { return slices.Sorted(maps.Keys(h.Endpoints)) }

// Places names the services with another endpoint, and the endpoint of all others.
func (h Header) Places() string {
	var list []string
	for _, s := range h.services() {
		list = append(list, clean(s+" at "+h.Endpoints[s], false))
	}
	return strings.Join(append(list, "all others at "+clean(h.endpoint(), false)), ", ")
}
