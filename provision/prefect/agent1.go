package prefect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// Agent is a Prefect 1 agent as a Server lists it.
type Agent struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Type    string    `json:"type"` // "ECSAgent"
	Version string    `json:"core_version"`
	Labels  []string  `json:"labels"`
	Queried time.Time `json:"last_queried"` // when it last asked for runs; zero if never
}

// maxSilence is how long an agent can go without asking for runs and still count as
// alive. An agent asks at least every 10 seconds.
const maxSilence = time.Minute

// Alive reports whether the agent asked for runs within the last minute.
func (a Agent) Alive(now time.Time) bool { return now.Sub(a.Queried) < maxSilence }

// Agents lists all Prefect 1 agents that ever reported to the Server.
func (c *Client) Agents(ctx context.Context) ([]Agent, error) {
	var data struct {
		Agent []Agent `json:"agent"`
	}
	err := c.graphQL(ctx, "query { agent { id name type core_version labels last_queried } }", nil, &data)
	return data.Agent, doing("list agents", err)
}

// DeleteAgent deletes an agent's record from the Server.
func (c *Client) DeleteAgent(ctx context.Context, id string) error {
	const mutation = "mutation($input: delete_agent_input!) { delete_agent(input: $input) { success } }"
	input := map[string]any{"input": map[string]any{"agent_id": id}}
	return doing("delete agent", c.graphQL(ctx, mutation, input, nil))
}

// Tenants counts the tenants of the Server. A Server without a tenant refuses agents.
func (c *Client) Tenants(ctx context.Context) (int, error) {
	var data struct {
		Tenant []struct {
			ID string `json:"id"`
		} `json:"tenant"`
	}
	err := c.graphQL(ctx, "query { tenant { id } }", nil, &data)
	return len(data.Tenant), doing("list tenants", err)
}

// graphQL sends a query to the API's root, where Prefect 1 answers.
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
			URL: c.shown, Class: ErrUnreachable, Err: errors.New("the answer is not from a Prefect Server"),
			Advice: "check api_url: the URL of a Prefect 1 Server has no path, and usually port 4200",
		}
	}
	if data == nil {
		return nil
	}
	return c.decode(out.Data, data)
}

// graphQLClass is the class of an error message, because GraphQL has no status codes.
func graphQLClass(message string) error {
	switch message {
	case "Unauthenticated", "AuthenticationError", "Unauthorized":
		return ErrUnauthorized
	}
	return nil
}

// SecretVariable is the environment variable from which an agent or worker of this
// version reads its secret. With auth, the secret is a server's user and password.
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
