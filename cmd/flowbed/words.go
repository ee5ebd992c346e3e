package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// inWords is a duration that somebody has given, as people write it: "1 h", "90 s".
func inWords(d time.Duration) string {
	var parts []string
	for _, u := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if n := d / u.size; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			d -= n * u.size
		}
	}
	if d > 0 || len(parts) == 0 { // less than a second
		parts = append(parts, d.String())
	}
	return strings.Join(parts, " ")
}

// plural is a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// plainFlag says in our words what is wrong with the value of a flag. The library adds the error
// of Go's own function.
func plainFlag(err error) error {
	wrong, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	want := ""
	switch f := wrong.GetFlag(); f.Value.Type() {
	case "duration":
		want = wantDuration
	case "int":
		want = wantNumber
	case "bool":
		want = "want true or false"
	default:
		return err
	}
	return fmt.Errorf("--%s %s: %s", wrong.GetFlag().Name, quoted(wrong.GetValue()), want)
}

// What the value of a flag has to be.
const (
	wantDuration = "want a duration, such as 5m"
	wantNumber   = "want a whole number"
	wantSwitch   = "want 1 or 0, true or false, yes or no"
)
