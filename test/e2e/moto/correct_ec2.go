package moto

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

type ec2Instances struct {
	Reservations []struct {
		XML       string `xml:",innerxml"`
		Instances []struct {
			ID    string `xml:"instanceId"`
			State string `xml:"instanceState>name"`
		} `xml:"instancesSet>item"`
	} `xml:"reservationSet>item"`
}

// alive reports whether any instance is in a state other than those.
func (e ec2Instances) alive(but ...string) bool {
	for _, r := range e.Reservations {
		for _, i := range r.Instances {
			if !slices.Contains(but, i.State) {
				return true
			}
		}
	}
	return false
}

// instances asks moto for instances.
func (f *Front) instances(r request, ask url.Values) (found ec2Instances, err error) {
	ask.Set("Action", "DescribeInstances")
	ask.Set("Version", "2016-11-15")
	a, err := f.query(r, ask)
	if err != nil {
		return found, err
	}
	return found, xml.Unmarshal(a.body, &found)
}

// deleteGroup fails while an instance is in the group.
func deleteGroup(f *Front, r request) (answer, error) {
	in, err := url.ParseQuery(string(r.body))
	if err != nil {
		return answer{}, err
	}
	ask := url.Values{"Filter.1.Name": {"instance.group-id"}, "Filter.1.Value.1": {in.Get("GroupId")}}
	found, err := f.instances(r, ask)
	if err != nil {
		return answer{}, err
	}
	if found.alive("terminated") {
		return ec2Refusal("DependencyViolation", "resource "+in.Get("GroupId")+" has a dependent object")
	}
	return f.pass(r)
}

// launch is a launch with a client token.
type launch struct {
	mu   sync.Mutex // held during the first launch
	spec string
	id   string
}

// runInstances launches one instance per client token. A repeated request returns the
// same instance in its current state. A different request with the same token fails with
// IdempotentParameterMismatch, and a request whose instance was terminated fails with
// IdempotentInstanceTerminated. See "Ensuring idempotency in Amazon EC2 API requests".
func runInstances(f *Front, r request) (answer, error) {
	in, err := url.ParseQuery(string(r.body))
	if err != nil {
		return answer{}, err
	}
	token := in.Get("ClientToken")
	if token == "" || in.Get("DryRun") == "true" {
		return f.pass(r)
	}
	known, _ := f.launches.LoadOrStore(token, &launch{})
	l := known.(*launch)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.id != "" {
		return f.repeat(r, l, in.Encode())
	}
	a, err := f.pass(r)
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	var out struct {
		ID string `xml:"instancesSet>item>instanceId"`
	}
	if err := xml.Unmarshal(a.body, &out); err != nil {
		return answer{}, err
	}
	l.spec, l.id = in.Encode(), out.ID
	return a, nil
}

func (f *Front) repeat(r request, l *launch, spec string) (answer, error) {
	if spec != l.spec {
		return ec2Refusal("IdempotentParameterMismatch",
			"The request uses the same client token as a previous, but non-identical request.")
	}
	found, err := f.instances(r, url.Values{"InstanceId.1": {l.id}})
	if err != nil {
		return answer{}, err
	}
	if !found.alive("terminated", "shutting-down") {
		return ec2Refusal("IdempotentInstanceTerminated", "The instance of this client token has been terminated.")
	}
	return answer{status: http.StatusOK, header: http.Header{"Content-Type": {"text/xml"}}, body: []byte(
		`<RunInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>corrected</requestId>` +
			found.Reservations[0].XML + `</RunInstancesResponse>`)}, nil
}

func ec2Refusal(code, message string) (answer, error) {
	return refusal(http.StatusBadRequest, "text/xml", `<Response><Errors><Error><Code>`+code+`</Code><Message>`+message+
		`</Message></Error></Errors><RequestID>corrected</RequestID></Response>`)
}
