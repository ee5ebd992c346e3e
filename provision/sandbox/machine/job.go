package machine

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// job is what the work pool's template and the deployment make of a run.
type job struct {
	Image, CPU, Memory, Family string
	Cluster, LaunchType, VPC   string
	TaskRole, ExecutionRole    string
	Network                    network
	Env, Secrets, LogOptions   map[string]string
	Logs                       bool

	Tags, RunTags []types.Tag // of the definition, and of the task
	Propagate     string
}

type network struct {
	Subnets  []string `json:"subnets"`
	Groups   []string `json:"securityGroups"`
	PublicIP string   `json:"assignPublicIp"`
}

// job reads the pool and the deployment, and renders the template.
func (h host) job(at time.Time, r flowRun) (job, error) {
	var pool struct {
		Template struct {
			Job       map[string]any `json:"job_configuration"`
			Variables struct {
				Properties map[string]struct {
					Default any `json:"default"`
				} `json:"properties"`
			} `json:"variables"`
		} `json:"base_job_template"`
	}
	var deployment struct {
		Variables map[string]any `json:"job_variables"`
	}
	for path, out := range map[string]any{"/work_pools/" + h.flag("--pool"): &pool, "/deployments/" + r.Deployment: &deployment} {
		got, err := h.call(at, http.MethodGet, path, nil, nil)
		if err != nil {
			return job{}, err
		}
		if err := json.Unmarshal(got.JSON(), out); err != nil {
			return job{}, err
		}
	}
	values := map[string]any{}
	for name, p := range pool.Template.Variables.Properties {
		if p.Default != nil {
			values[name] = p.Default
		}
	}
	for name, v := range deployment.Variables {
		theirs, both := v.(map[string]any)
		ours, ok := values[name].(map[string]any)
		if name == "env" && both && ok { // only env is merged
			ours = maps.Clone(ours)
			maps.Copy(ours, theirs)
			v = ours
		}
		values[name] = v
	}
	rendered, ok := render(pool.Template.Job, values).(map[string]any)
	if !ok {
		return job{}, said("KeyError: 'job_configuration'")
	}
	return h.configured(rendered)
}

var (
	placeholder = regexp.MustCompile(`^\{\{ *(\w+) *\}\}$`)
	// unset stands for a variable without a value. The worker drops what has one.
	unset = new(int)
)

// render replaces the placeholders of a template. What has no value is dropped.
func render(v any, values map[string]any) any {
	switch v := v.(type) {
	case string:
		m := placeholder.FindStringSubmatch(v)
		if m == nil {
			return v
		}
		if value, ok := values[m[1]]; ok {
			return value
		}
		return unset
	case map[string]any:
		out := map[string]any{}
		for key, member := range v {
			if r := render(member, values); r != any(unset) {
				out[key] = r
			}
		}
		return out
	case []any:
		out := []any{}
		for _, member := range v {
			if r := render(member, values); r != any(unset) {
				out = append(out, r)
			}
		}
		return out
	}
	return v
}

// configured reads a rendered template.
func (h host) configured(t map[string]any) (j job, err error) {
	definition := object(t["task_definition"])
	request := object(t["task_run_request"])
	overrides := object(request["overrides"])
	container := first(definition["containerDefinitions"])
	j = job{
		Image: text(container["image"]), CPU: text(definition["cpu"]), Memory: text(definition["memory"]), Family: text(definition["family"]),
		Cluster: text(request["cluster"]), LaunchType: text(request["launchType"]), VPC: text(t["vpc_id"]),
		TaskRole: text(overrides["taskRoleArn"]), ExecutionRole: text(definition["executionRoleArn"]),
		Tags: tags(definition["tags"]), RunTags: taskTags(request["tags"], texts(t["labels"])), Propagate: text(request["propagateTags"]),
		Env: texts(t["env"]), Secrets: map[string]string{}, LogOptions: texts(t["cloudwatch_logs_options"]), Logs: t["configure_cloudwatch_logs"] == true,
	}
	raw, err := json.Marshal(t["network_configuration"])
	if err == nil {
		err = json.Unmarshal(raw, &j.Network)
	}
	if list, ok := container["secrets"].([]any); ok {
		for _, s := range list {
			j.Secrets[text(object(s)["name"])] = text(object(s)["valueFrom"])
		}
	}
	for variable, member := range map[string]string{"PREFECT_API_KEY": "prefect_api_key_secret_arn", "PREFECT_API_AUTH_STRING": "prefect_api_auth_string_secret_arn"} {
		if arn := text(t[member]); arn != "" {
			j.Secrets[variable] = arn
		}
	}
	return j, err
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func first(v any) map[string]any {
	if list, ok := v.([]any); ok && len(list) > 0 {
		return object(list[0])
	}
	return nil
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// texts leaves out what is null: that removes a variable.
func texts(v any) map[string]string {
	all := map[string]string{}
	for k, member := range object(v) {
		if member != nil {
			all[k] = text(member)
		}
	}
	return all
}

// tags reads the tags of a definition.
func tags(v any) (list []types.Tag) {
	all, _ := v.([]any)
	for _, e := range all {
		list = append(list, types.Tag{Key: aws.String(text(object(e)["key"])), Value: aws.String(text(object(e)["value"]))})
	}
	return list
}

var (
	tagText = regexp.MustCompile(`[^a-zA-Z0-9_./=+:@-]+`)
	hyphens = regexp.MustCompile(`-{2,}`)
)

// taskTags are the tags of a task: what the template has, and the labels, each in the worker's
// own alphabet.
func taskTags(v any, labels map[string]string) (list []types.Tag) {
	for key, value := range texts(v) {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	list = append(list, tags(v)...)
	for key, value := range labels {
		list = slices.DeleteFunc(list, func(t types.Tag) bool { return *t.Key == key })
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	for i, t := range list {
		list[i] = types.Tag{Key: aws.String(slug(*t.Key)), Value: aws.String(slug(*t.Value))}
	}
	return list
}

func slug(text string) string {
	return strings.Trim(hyphens.ReplaceAllString(tagText.ReplaceAllString(text, "-"), "-"), "-")
}
