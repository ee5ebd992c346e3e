package moto

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// queueCall is the part of a call to SQS that the corrections use.
type queueCall struct {
	URL        string            `json:"QueueUrl,omitempty"`
	Name       string            `json:"QueueName,omitempty"`
	Attributes map[string]string `json:"Attributes"`
	Names      []string          `json:"AttributeNames,omitempty"`
}

const redriveAllow = "RedriveAllowPolicy"

// createQueue remembers the redrive allow policy, which moto does not know. As far as that
// is concerned, a queue that exists is not the one that the call asks for.
func createQueue(f *Front, r request) (answer, error) {
	var in queueCall
	if err := json.Unmarshal(r.body, &in); err != nil {
		return answer{}, err
	}
	a, err := f.pass(r)
	if err == nil && a.status == http.StatusOK {
		f.redrives.LoadOrStore(in.Name, in.Attributes[redriveAllow])
	}
	return a, err
}

func deleteQueue(f *Front, r request) (answer, error) {
	var in queueCall
	if err := json.Unmarshal(r.body, &in); err != nil {
		return answer{}, err
	}
	a, err := f.pass(r)
	if err == nil && a.status == http.StatusOK {
		f.redrives.Delete(queueName(in.URL))
	}
	return a, err
}

func queueName(url string) string { return url[strings.LastIndex(url, "/")+1:] }

// queueAttributes adds the redrive allow policy, and returns times in whole seconds, as SQS
// does; moto has fractions.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
func queueAttributes(f *Front, r request) (answer, error) {
	var in, out queueCall
	if err := json.Unmarshal(r.body, &in); err != nil {
		return answer{}, err
	}
	asked := slices.Contains(in.Names, redriveAllow) // moto refuses its name
	in.Names = slices.DeleteFunc(in.Names, func(n string) bool { return n == redriveAllow })
	a, err := f.pass(r)
	if asked {
		a, err = f.other(r, r.Header.Get("X-Amz-Target"), in)
	}
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	if err := json.Unmarshal(a.body, &out); err != nil {
		return a, err
	}
	if out.Attributes == nil {
		out.Attributes = map[string]string{}
	}
	// SQS returns the policy as it got it; moto adds spaces.
	if policy, compact := []byte(out.Attributes["RedrivePolicy"]), (bytes.Buffer{}); len(policy) > 0 && json.Compact(&compact, policy) == nil {
		out.Attributes["RedrivePolicy"] = compact.String()
	}
	for _, name := range []string{"CreatedTimestamp", "LastModifiedTimestamp"} {
		if v, ok := out.Attributes[name]; ok {
			out.Attributes[name], _, _ = strings.Cut(v, ".")
		}
	}
	if out.Attributes["KmsMasterKeyId"] != "" { // a queue has one kind of encryption, and moto says that it has both
		out.Attributes["SqsManagedSseEnabled"] = "false"
	}
	if policy, _ := f.redrives.Load(queueName(in.URL)); policy != nil && policy != "" {
		out.Attributes[redriveAllow] = policy.(string)
	}
	a.body, err = json.Marshal(out)
	return a, err
}

// setQueueAttributes adds the policy that the queue has to a call without one: SQS changes
// only what the call names, and moto would remove the policy. SQS's keys replace one of KMS,
// which moto keeps beside them.
func setQueueAttributes(f *Front, r request) (answer, error) {
	var in, have queueCall
	if err := json.Unmarshal(r.body, &in); err != nil {
		return answer{}, err
	}
	if policy, named := in.Attributes[redriveAllow]; named {
		f.redrives.Store(queueName(in.URL), policy)
		delete(in.Attributes, redriveAllow)
	}
	if in.Attributes["SqsManagedSseEnabled"] == "true" {
		in.Attributes["KmsMasterKeyId"] = ""
	}
	if _, named := in.Attributes["Policy"]; !named {
		a, err := f.other(r, "AmazonSQS.GetQueueAttributes", map[string]any{"QueueUrl": in.URL, "AttributeNames": []string{"All"}})
		if err != nil || a.status != http.StatusOK {
			return a, err
		}
		if err := json.Unmarshal(a.body, &have); err != nil {
			return a, err
		}
		if policy := have.Attributes["Policy"]; policy != "" {
			in.Attributes["Policy"] = policy
		}
	}
	return f.other(r, r.Header.Get("X-Amz-Target"), in)
}

// other lets moto execute another call to the same service, in the JSON protocol.
func (f *Front) other(r request, target string, in any) (answer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return answer{}, err
	}
	header := r.Header.Clone()
	header.Set("X-Amz-Target", target)
	return f.send(r.Request, r.Method, r.URL.RequestURI(), header, body)
}
