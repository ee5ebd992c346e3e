package templates

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Service says what an agent in a container of an ECS service knows of the service.
type Service struct {
	Cluster, Name string
	Expires       time.Time // when the agent scales its service to zero; zero for never
}

// Container is an agent in a container: what the container runs, and its settings.
type Container struct {
	Command     []string  // without a shell, which would not pass on SIGTERM
	Environment []Setting // in order
	Secret      *Secret   // nil if the API needs no authentication
	Health      []string  // a command that fails if the agent does not answer
}

// NameInCommand stands in a container's command for the agent's name in Prefect, which is
// <env>-<task id>. The launcher replaces it.
const NameInCommand = "{name}"

// ExtraPackages tells the entrypoint of Prefect's images what to install before it runs the
// command. It installs all in one call, so Prefect's own versions stand beside the others.
const ExtraPackages = "EXTRA_PIP_PACKAGES"

const (
	launcherSettings = "FLOWBED_AGENT"
	launchScript     = "launch.py"
)

// launched are the settings of the launcher, which runs before the agent.
type launched struct {
	Env     string       `json:"env"`
	Cluster string       `json:"cluster,omitempty"`
	Service string       `json:"service,omitempty"`
	Expires string       `json:"expires,omitempty"` // in UTC
	Files   []launchFile `json:"files,omitempty"`
}

type launchFile struct {
	Path    string `json:"path"`
	Content string `json:"content"`
	Public  bool   `json:"public,omitempty"` // after the public certificate authorities
}

// ContainerOf renders an agent for a container. The image has the agent's program and Python.
// The error names the value that cannot be written safely.
func ContainerOf(a Agent, s Service) (Container, error) {
	if err := a.check(); err != nil {
		return Container{}, fmt.Errorf("write container: %w", err)
	}
	script, err := text(launchScript, nil)
	if err != nil {
		return Container{}, fmt.Errorf("write container: %w", err)
	}
	c := Container{Command: []string{"python", "-c", script, "prefect"}, Secret: a.Secret}
	for _, w := range a.Command {
		if w.Kind == AgentName {
			w.Text = NameInCommand
		}
		c.Command = append(c.Command, w.Text)
	}
	l := launched{Env: a.Env}
	if !s.Expires.IsZero() {
		l.Cluster, l.Service, l.Expires = s.Cluster, s.Name, s.Expires.UTC().Format(time.RFC3339)
	}
	for _, f := range a.Files {
		l.Files = append(l.Files, launchFile{Path: f.Path, Content: f.Content})
	}
	for _, e := range a.Settings {
		if !strings.HasPrefix(e.Name, "AWS_METADATA_") { // a task has its credentials from another place
			c.Environment = append(c.Environment, e)
		}
	}
	c.Environment = append(c.Environment, a.Extra...)
	if a.Further {
		c.Environment = append(c.Environment, Setting{ExtraPackages, strings.Join(a.Packages.Requirements, " ")})
		if i := a.Packages.Index; i != "" { // the images of Prefect 3 use uv, and those of Prefect 1 pip
			c.Environment = append(c.Environment, Setting{"PIP_INDEX_URL", i}, Setting{"UV_DEFAULT_INDEX", i})
		}
	}
	if a.CA != nil {
		l.Files = append(l.Files, launchFile{Path: caFile, Content: a.CA.PEM, Public: a.CA.WithPublic})
		c.Environment = append(c.Environment, Setting{a.CA.Variable, caFile})
	}
	b, err := json.Marshal(l)
	if err != nil {
		return Container{}, fmt.Errorf("write container: %w", err)
	}
	c.Environment = append(c.Environment, Setting{launcherSettings, string(b)})
	// Prefect's images have no curl. The agent serves the page on its loopback address.
	page := "/health"
	if a.Command[0].Text == "agent" { // of Prefect 1
		page = "/api/health"
	}
	c.Health = []string{"CMD", "python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080" + page + "', timeout=4)"}
	return c, nil
}
