package prefect

// Defaults are the values that a work pool of ours gives to its runs.
type Defaults struct {
	Kind          Kind   // Worker3 or Worker2
	ClusterARN    string // where tasks run
	TaskRole      string // ARN
	ExecutionRole string // ARN
	VPC           string // id
	Subnets       []string
	Groups        []string // security groups
	PublicIP      bool     // in a public subnet a task without one reaches nothing
	LogGroup      string   // name; it exists already
	Region        string

	// Variable is the setting that gets the API's secret, PREFECT_API_KEY or
	// PREFECT_API_AUTH_STRING, and SecretARN where ECS finds it. Both are empty
	// for an API without authentication.
	Variable, SecretARN string

	Image    string // of runs whose deployment names none
	Packages string // what Prefect's own image installs when it starts; may be empty
}

// Entries are the defaults as entries of a template.
func (d Defaults) Entries() []Entry {
	public := "DISABLED"
	if d.PublicIP {
		public = "ENABLED"
	}
	list := []Entry{
		variable("cluster", d.ClusterARN),
		variable("task_role_arn", d.TaskRole),
		variable("execution_role_arn", d.ExecutionRole),
		variable("vpc_id", d.VPC),
		// The worker wants what stands within awsvpcConfiguration, without that
		// word around it, and only together with vpc_id.
		variable("network_configuration", stringList(d.Subnets), "subnets"),
		variable("network_configuration", stringList(d.Groups), "securityGroups"),
		variable("network_configuration", public, "assignPublicIp"),
		variable("configure_cloudwatch_logs", true),
		variable("cloudwatch_logs_options", d.LogGroup, "awslogs-group"),
		variable("cloudwatch_logs_options", d.Region, "awslogs-region"),
		// The group exists, and the execution role may not create one.
		variable("cloudwatch_logs_options", "false", "awslogs-create-group"),
		// Without it the worker registers each definition again after a restart.
		variable("match_latest_revision_in_family", true),
		variable("image", d.Image),
	}
	if d.Packages != "" {
		list = append(list, variable("env", d.Packages, "EXTRA_PIP_PACKAGES"))
	}
	if d.Kind == Worker2 {
		return append(list, d.secret2()...)
	}
	return append(list, d.secret("prefect_api_key_secret_arn", "PREFECT_API_KEY"),
		d.secret("prefect_api_auth_string_secret_arn", "PREFECT_API_AUTH_STRING"))
}

// secret has ECS give the secret to the container. The variable that is not in
// use must be unset: the worker fails over a secret that it does not have itself.
func (d Defaults) secret(name, setting string) Entry {
	e := variable(name, d.SecretARN)
	e.Unset = d.Variable != setting
	return e
}

// secret2 does the same where the worker knows no such variables: ECS's own
// reference in the task definition, and null in the environment, where the
// worker would otherwise write the secret itself.
func (d Defaults) secret2() []Entry {
	if d.Variable == "" {
		return nil
	}
	return []Entry{
		{Name: "secret " + d.Variable, Value: d.SecretARN, Path: []any{
			"job_configuration", "task_definition", "containerDefinitions", 0, "secrets", Named(d.Variable), "valueFrom",
		}},
		variable("env", nil, d.Variable),
	}
}

// variable is an entry for a variable's default, or for one member of it. Only
// a default on the top level of a variable is ever read by the worker.
func variable(name string, value any, member ...string) Entry {
	e := Entry{Name: name, Path: []any{"variables", "properties", name, "default"}, Value: value}
	for _, m := range member {
		e.Name += "." + m
		e.Path = append(e.Path, m)
	}
	return e
}

func stringList(l []string) []any {
	out := make([]any, len(l))
	for i, s := range l {
		out[i] = s
	}
	return out
}
