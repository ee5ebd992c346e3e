package prefect

// Defaults are the values that flowbed's work pool gives to its runs.
type Defaults struct {
	Kind          Kind   // Worker3 or Worker2
	ClusterARN    string // where tasks run
	TaskRole      string // ARN
	ExecutionRole string // ARN
	VPC           string // id
	Subnets       []string
	Groups        []string // security groups
	PublicIP      bool     // without one, a task in a public subnet has no internet access
	LogGroup      string   // name of an existing group
	Region        string

	// Variable is the environment variable for the API's secret: PREFECT_API_KEY or
	// PREFECT_API_AUTH_STRING. SecretARN is where ECS finds the secret. Both are
	// empty for an API without authentication.
	Variable, SecretARN string

	Flows Flows // what the config file says about the flows' tasks

	// DefaultImage is the image if neither the config file nor anybody in Prefect has
	// chosen one.
	DefaultImage string
}

// Entries returns the defaults as entries of a template. What the config file does not say
// depends on the pool's present template; that of a new pool is nil.
func (d Defaults) Entries(have Template) []Entry {
	return append(d.environment(have), d.flows(have)...)
}

// environment is where the tasks run. It follows from the environment.
func (d Defaults) environment(have Template) []Entry {
	public := "DISABLED"
	switch {
	case d.VPC == "": // whether its subnets are public is not known, either
		public = ""
	case d.PublicIP:
		public = "ENABLED"
	}
	list := []Entry{
		variable("cluster", d.ClusterARN),
		variable("task_role_arn", d.TaskRole),
		variable("execution_role_arn", d.ExecutionRole),
		variable("vpc_id", d.VPC),
		// The worker expects the members of awsvpcConfiguration without that level,
		// and reads them only together with vpc_id.
		variable("network_configuration", stringList(d.Subnets), "subnets"),
		variable("network_configuration", stringList(d.Groups), "securityGroups"),
		variable("network_configuration", public, "assignPublicIp"),
		variable("configure_cloudwatch_logs", true),
		variable("cloudwatch_logs_options", d.LogGroup, "awslogs-group"),
		variable("cloudwatch_logs_options", d.Region, "awslogs-region"),
		// The group exists, and the execution role may not create one.
		variable("cloudwatch_logs_options", "false", "awslogs-create-group"),
		// Otherwise the worker registers every definition again after a restart.
		variable("match_latest_revision_in_family", true),
	}
	if d.Kind == Worker2 {
		return append(list, d.secret2(have)...)
	}
	return append(list, d.secret("prefect_api_key_secret_arn", "PREFECT_API_KEY"),
		d.secret("prefect_api_auth_string_secret_arn", "PREFECT_API_AUTH_STRING"))
}

// secret makes ECS pass the secret to the container. The variable that is not in use
// must be unset: the worker fails if it does not have that secret itself.
func (d Defaults) secret(name, setting string) Entry {
	e := variable(name, d.SecretARN)
	e.Unset = d.Variable != setting
	return e
}

// secret2 does the same for a worker that does not support such variables. It puts a
// reference for ECS into the task definition, and null into the environment, where
// the worker would otherwise write the secret itself.
func (d Defaults) secret2(have Template) []Entry {
	if d.Variable == "" {
		return nil
	}
	return []Entry{
		{Name: "secret " + d.Variable, Value: d.SecretARN, Path: append(secretPath(have, d.Variable), "valueFrom")},
		variable("env", nil, d.Variable),
	}
}

// variable is an entry for a variable's default, or for one member of it. The worker
// reads only the default at the top level of a variable.
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
