package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/hello"
)

func TestSelection(t *testing.T) {
	for want, a := range map[string]*app{
		"":                           {config: defaultConfig},
		" -e dev":                    {config: defaultConfig, env: "dev"},
		" -c prod.hcl --region eu-1": {config: "prod.hcl", region: "eu-1"},
		" -c 'my files/it'\\''s.hcl' -e dev --profile 'a b'": {config: "my files/it's.hcl", env: "dev", profile: "a b"},
		" -e '$(id)'": {config: defaultConfig, env: "$(id)"},
	} {
		if have := a.selection(); have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
}

// Whoever interrupts hello does not continue it by running it again.
func TestStopTexts(t *testing.T) {
	if have := whenStopped().second; !strings.Contains(have, "Run the same command again") {
		t.Errorf("usually: %q", have)
	}
	ifStopped.Store(helloStopped(" -e dev"))
	t.Cleanup(func() { ifStopped.Store(nil) })
	if have := whenStopped(); have.second != "Stopped. `flowbed hello --clean -e dev` removes what is left." || strings.Contains(have.first, "no new ones") {
		t.Errorf("hello: %+v", have)
	}
}

func TestHelloExits(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code int
		want string
	}{
		"interrupted": {errInterrupted, exitInterrupted, "interrupted"},
		"left":        {&hello.Leftover{}, exitFailed, "the flow completed, but what it made could not be removed"},
		"failed":      {errors.New("no"), exitFailed, "no"},
		"fine":        {nil, exitOK, ""},
	} {
		err := helloError(c.err)
		if have := exitCode(err); have != c.code {
			t.Errorf("%s: exit code %d, want %d", name, have, c.code)
		}
		if err != nil && err.Error() != c.want {
			t.Errorf("%s: have error %q, want %q", name, err, c.want)
		}
	}
}
