package machine

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/sandbox/prefectapi"
)

const (
	restartPause   = 10 * time.Second // systemd's, after the agent has ended
	workerInterval = 30 * time.Second // between two heartbeats of a worker
	agentInterval  = 10 * time.Second // between two queries of a Prefect 1 agent
)

func (h host) interval() time.Duration {
	if h.worker() {
		return workerInterval
	}
	return agentInterval
}

// start starts the agent, which reads the secret and calls the API for the first time.
func (h host) start(at time.Time) {
	h.log(at, "systemd[1]", "Starting flowbed-agent.service - Prefect agent of the flowbed environment "+h.Env+"...")
	h.Started, h.Online = at, false
	if h.Secret.Parameter != "" {
		if _, err := h.secret(); err != nil {
			line := "FAILED: read " + h.Secret.Parameter + ": " + err.Error()
			h.say(at, "%s", line)
			h.log(at, "fetch-secret["+h.pid()+"]", "FLOWBED: "+line)
			h.ended(at, "exit-code", "")
			return
		}
	}
	h.log(at, "systemd[1]", "Started flowbed-agent.service - Prefect agent of the flowbed environment "+h.Env+".")
	h.Phase = running
	h.report(at)
}

// ended is what systemd does after the agent has ended: it shows the last words on the
// console, and starts the agent again later.
func (h host) ended(at time.Time, result, status string) {
	if h.container != nil { // ECS starts another one
		h.container.exited = true
		return
	}
	h.log(at, "systemd[1]", "flowbed-agent.service: Failed with result '"+result+"'.")
	h.say(at, "FAILED: the agent ended (%s %s)", result, status)
	var words []string
	for _, e := range h.last(12) {
		if !strings.HasPrefix(e.Text, "FLOWBED: FATAL") {
			h.say(at, "| %s", e.Text)
			words = append(words, e.Text)
		}
	}
	h.Tries++
	if kind := agentFatal.of("", words); kind != "" && h.Tries > 2 {
		h.say(at, forGood, kind, at.UTC().Format(time.RFC3339))
		h.log(at, "report["+h.pid()+"]", "FLOWBED: "+fmt.Sprintf(forGood, kind, at.UTC().Format(time.RFC3339)))
	}
	h.Phase, h.Due = starting, at.Add(restartPause)
}

// report calls the API: at the start, and from then on at every interval.
func (h host) report(at time.Time) {
	h.Due = at.Add(h.interval())
	first := at.Equal(h.Started)
	life := h.Account.AgentLife
	if h.Account.AgentHangs || life > 0 && at.Sub(h.Started) >= life {
		return
	}
	err := h.sync(at)
	var refused *refusal
	switch {
	case err == nil && !h.Online:
		h.Online, h.Tries = true, 0
		if first {
			h.prints(at, h.greeting())
		}
	case errors.As(err, &refused):
		h.prints(at, refused.Error())
		h.prints(at, "An exception occurred.")
		h.ended(at, "exit-code", "1")
	case err != nil && first && !h.patient():
		h.prints(at, err.Error())
		h.ended(at, "exit-code", "1")
	case err != nil && first:
		h.prints(at, "WARNING | prefect.workers.ecs."+h.name()+" - "+err.Error())
		h.prints(at, h.greeting())
	}
}

func (h host) greeting() string {
	if h.worker() {
		return "Worker '" + h.name() + "' started!"
	}
	return "INFO - agent | Agent successfully connected to the Prefect API"
}

// patient reports whether the agent keeps running if the API does not answer at its
// start: https://github.com/PrefectHQ/prefect/issues/22638
func (h host) patient() bool {
	v, err := prefect.ParseVersion(h.Prefect)
	return err == nil && v.Compare(prefect.Version{Major: 3, Minor: 8, Patch: 1}) >= 0
}

// said is an error in the words of another program.
type said string

func (e said) Error() string { return string(e) }

// refusal is an answer that ends the agent.
type refusal struct{ text string }

func (e *refusal) Error() string { return e.text }

// sync makes the calls of a worker's heartbeat, or of an agent's query.
func (h host) sync(at time.Time) error {
	if !h.worker() {
		return h.query(at)
	}
	pool := "/work_pools/" + url.PathEscape(h.flag("--pool"))
	got, err := h.call(at, http.MethodGet, pool, nil, nil)
	if err == nil && got.Status == http.StatusNotFound {
		if strings.Contains(strings.Join(h.Command, " "), "--no-create-pool-if-not-found") {
			return said("Work pool '" + h.flag("--pool") + "' not found!")
		}
		_, err = h.call(at, http.MethodPost, "/work_pools/", map[string]any{"name": h.flag("--pool"), "type": h.flag("--type")}, nil)
	}
	if err != nil {
		return err
	}
	_, err = h.call(at, http.MethodPost, pool+"/workers/heartbeat", map[string]any{"name": h.name(), "heartbeat_interval_seconds": 30}, nil)
	return err
}

// query registers a Prefect 1 agent, and asks for its runs.
func (h host) query(at time.Time) error {
	registered, err := h.call(at, http.MethodPost, "", mutation("register_agent", map[string]any{
		"name": h.name(), "type": "ECSAgent", "core_version": h.Prefect, "labels": h.flags("--label"),
	}), nil)
	if err != nil {
		return err
	}
	var out struct {
		Data struct {
			Agent struct {
				ID string `json:"id"`
			} `json:"register_agent"`
		} `json:"data"`
		Errors []struct{ Message string } `json:"errors"`
	}
	if err := json.Unmarshal(registered.JSON(), &out); err != nil {
		return err
	}
	if len(out.Errors) > 0 {
		return &refusal{text: "prefect.exceptions.ClientError: " + string(registered.JSON())}
	}
	_, err = h.call(at, http.MethodPost, "", mutation("get_runs_in_queue", map[string]any{}), http.Header{"X-Prefect-Agent-Id": {out.Data.Agent.ID}})
	return err
}

// mutation returns a GraphQL request.
func mutation(name string, input map[string]any) map[string]any {
	return map[string]any{
		"query":     "mutation($input: " + name + "_input!) { " + name + "(input: $input) { id } }",
		"variables": map[string]any{"input": input},
	}
}

// call makes a call to the API. An answer that no retry changes is a refusal.
func (h host) call(at time.Time, method, path string, body any, header http.Header) (a prefectapi.Answer, err error) {
	u, err := url.Parse(strings.TrimRight(h.api(), "/") + path)
	if err != nil {
		return a, err
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return a, err
		}
	}
	if header == nil {
		header = http.Header{}
	}
	if a, err = h.send(at, method, u, text, header); err != nil {
		return a, said("Unable to reach the Prefect API while starting up; the worker will keep attempting to connect: " + err.Error())
	}
	if a.Status >= 400 && a.Status != http.StatusNotFound {
		return a, &refusal{text: fmt.Sprintf("prefect.exceptions.PrefectHTTPStatusError: Client error '%d %s' for url '%s' - Response: %s",
			a.Status, http.StatusText(a.Status), u.Redacted(), a.JSON())}
	}
	return a, nil
}

func (h host) send(at time.Time, method string, u *url.URL, body []byte, header http.Header) (prefectapi.Answer, error) {
	switch {
	case prefectapi.Loopback(u):
		return prefectapi.Answer{}, prefectapi.Refused(u)
	case !h.reaches(u.Hostname(), portOf(u)):
		return prefectapi.Answer{}, errors.New("connect to " + u.Host + ": timed out")
	}
	m := prefectapi.Message{Now: at, Method: method, URL: u, Header: header, Body: body, Admitted: h.Online}
	if !h.Online {
		if err := h.authenticate(m.Header); err != nil {
			return prefectapi.Answer{}, err
		}
	}
	return prefectapi.Send(h.Request, m)
}

// authenticate adds the secret to the agent's first calls. Later it is not known any more:
// the agent keeps the secret of its start, and the sandbox keeps none.
func (h host) authenticate(header http.Header) error {
	if h.Secret.Parameter == "" {
		return nil
	}
	secret, err := h.secret()
	if err != nil {
		return err
	}
	kind, text := "Bearer ", secret
	if strings.HasSuffix(h.Secret.Variable, "AUTH_STRING") {
		kind, text = "Basic ", base64.StdEncoding.EncodeToString([]byte(secret))
	}
	header.Set("Authorization", kind+text)
	return nil
}
