package moto

import (
	"encoding/json"
	"net/http"
)

// createCluster returns an existing active cluster, as AWS does. moto would replace it and
// lose its settings and tags.
func createCluster(f *Front, r request) (answer, error) {
	var in struct {
		Name string `json:"clusterName"`
	}
	if err := json.Unmarshal(r.body, &in); err != nil {
		return answer{}, err
	}
	if in.Name == "" {
		in.Name = "default"
	}
	ask, err := json.Marshal(map[string][]string{"clusters": {in.Name}, "include": {"TAGS", "SETTINGS", "CONFIGURATIONS"}})
	if err != nil {
		return answer{}, err
	}
	header := r.Header.Clone()
	header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.DescribeClusters")
	a, err := f.send(r.Request, r.Method, r.URL.RequestURI(), header, ask)
	if err != nil {
		return answer{}, err
	}
	var found struct {
		Clusters []map[string]any `json:"clusters"`
	}
	if err := json.Unmarshal(a.body, &found); err != nil {
		return answer{}, err
	}
	if len(found.Clusters) != 1 || found.Clusters[0]["status"] != "ACTIVE" {
		return f.pass(r)
	}
	a.body, err = json.Marshal(map[string]any{"cluster": found.Clusters[0]})
	a.status = http.StatusOK
	return a, err
}

// listTasks lists the tasks that should run, unless the call asks for others. moto would list
// the stopped tasks too.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
func listTasks(f *Front, r request) (answer, error) {
	in := map[string]any{}
	if err := json.Unmarshal(r.body, &in); err != nil {
		return answer{}, err
	}
	if in["desiredStatus"] == nil {
		in["desiredStatus"] = "RUNNING"
	}
	body, err := json.Marshal(in)
	if err != nil {
		return answer{}, err
	}
	return f.send(r.Request, r.Method, r.URL.RequestURI(), r.Header, body)
}

// describeClusters has a default strategy in each cluster, which may be empty. moto leaves out one that is.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeClusters.html
func describeClusters(f *Front, r request) (answer, error) {
	a, err := f.pass(r)
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	out := map[string]any{}
	if err := json.Unmarshal(a.body, &out); err != nil {
		return a, err
	}
	clusters, _ := out["clusters"].([]any)
	for _, c := range clusters {
		if cluster, ok := c.(map[string]any); ok && cluster["defaultCapacityProviderStrategy"] == nil {
			cluster["defaultCapacityProviderStrategy"] = []any{}
		}
	}
	a.body, err = json.Marshal(out)
	return a, err
}
