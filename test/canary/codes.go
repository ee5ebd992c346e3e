package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/flowbed/flowbed/provision/awserr"
)

// unknownCodes is asked last.
var unknownCodes = question{
	Name: "unknown-codes", Lane: laneEnd, Ask: askCodes,
	Asks:    "Which error codes came that flowbed's tables do not know?",
	Assumed: "none",
	Relies:  "provision/awserr/common.go; awserr.Declare in provision/resource",
	Change:  "declare the code beside the call of the kind that got it",
}

// handled are the codes that the code looks for by name, beside the tables.
var handled = map[string]string{
	"IdempotentInstanceTerminated": "provision/resource/instance_launch.go",
	"IdempotentParameterMismatch":  "provision/resource/instance_launch.go",
	"UnsupportedOperation":         "provision/resource/console.go",
	"InvalidInstanceId":            "test/canary/machines.go (Shell asks first whether Systems Manager knows the instance)",
	"InvocationDoesNotExist":       "provision/resource/shell.go",
}

// unknown reports whether neither a table nor the code knows an error.
func (k code) unknown() bool { return k.Class == awserr.Unknown && handled[k.Code] == "" }

func askCodes(_ context.Context, r *run) (answer, error) {
	all, count := r.codes.list()
	var unknown []string
	for _, k := range all {
		if k.unknown() {
			unknown = append(unknown, fmt.Sprintf("- %s (%d times) %s", k, count[k], k.Message))
		}
	}
	switch {
	case len(all) == 0:
		return couldNot("no error came at all")
	case len(unknown) > 0:
		return no("%d of %d:\n%s", len(unknown), len(all), strings.Join(unknown, "\n"))
	}
	return yes("none of %d", len(all))
}
