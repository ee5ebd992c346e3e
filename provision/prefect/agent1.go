package prefect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// Agent is an agent of Prefect 1, as a Server lists it.
type Agent struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Type    string    `json:"type"` // "ECSAgent"
	Version string    `json:"core_version"`
	Labels  []string  `json:"labels"`
	Queried time.Time `json:"last_queried"` // when it last asked for runs; zero if never
}

// silent is how long an agent may not have asked for runs and still counts as
// alive: it asks every 10 seconds at least.
const silent = time.Minute

// Alive reports whether the agent has asked for runs lately.
func (a Agent) Alive(now time.Time) bool { return now.Sub(a.Queried) < silent }

// Agents lists the agents of Prefect 1 that have ever reported to a Server.
func (c *Client) Agents(ctx context.Context) ([]Agent, error) {
	var data struct {
		Agent []Agent `json:"agent"`
	}
	err := c.graphQL(ctx, "query { agent { id name type core_version labels last_queried } }", nil, &data)
	return data.Agent, doing("list agents", err)
}

// DeleteAgent removes an agent's row from a Server.
func (c *Client) DeleteAgent(ctx context.Context, id string) error {
	const mutation = "mutation($input: delete_agent_input!) { delete_agent(input: $input) { success } }"
	input := map[string]any{"input": map[string]any{"agent_id": id}}
	return doing("delete agent", c.graphQL(ctx, mutation, input, nil))
}

// Tenants counts the tenants of a Server. It refuses agents until there is one.
func (c *Client) Tenants(ctx context.Context) (int, error) {
	var data struct {
		Tenant []struct {
			ID string `json:"id"`
		} `json:"tenant"`
	}
	err := c.graphQL(ctx, "query { tenant { id } }", nil, &data)
	return len(data.Tenant), doing("list tenants", err)
}

// graphQL asks at the API's root, where Prefect 1 answers.
func (c *Client) graphQL(ctx context.Context, query string, variables map[string]any, data any) error {
	in := struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables,omitempty"`
	}{query, variables}
	var out struct {
		Data   json.RawMessage `json:"data"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := c.call(ctx, http.MethodPost, "", in, &out); err != nil {
		return err
	}
	if len(out.Errors) > 0 {
		return &Error{URL: c.shown, Err: errors.New(out.Errors[0].Message), Class: graphQLClass(out.Errors[0].Message)}
	}
	if len(out.Data) == 0 {
		return &Error{
			URL: c.shown, Class: ErrUnreachable, Err: errors.New("the answer is not that of a Prefect Server"),
			Hint: "The api_url of a Server of Prefect 1 has no path, and usually the port 4200.",
		}
	}
	if data == nil {
		return nil
	}
	return c.decode(out.Data, data)
}

// graphQLClass is what a message means: GraphQL has no status.
func graphQLClass(message string) error {
	switch message {
	case "Unauthenticated", "AuthenticationError", "Unauthorized":
		return ErrUnauthorized
	}
	return nil
}

// SecretVariable is the setting from which an agent or worker of this version
// reads its secret; auth says that it is a server's user and password.
func (v Version) SecretVariable(auth bool) string {
	switch {
	case v.Kind() != Agent1 && auth:
		return "PREFECT_API_AUTH_STRING"
	case v.Kind() != Agent1:
		return "PREFECT_API_KEY"
	case v.since(0, 15, 0):
		return "PREFECT__CLOUD__API_KEY"
	}
	return "PREFECT__CLOUD__AGENT__AUTH_TOKEN"
}
