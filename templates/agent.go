package templates

import "time"

// Agent is an instance that runs a worker of Prefect 2 or 3.
type Agent struct {
	Place
	Prefect    string // exact version
	PrefectAWS string // exact version of prefect-aws
	Before     string // no package is newer than this time, in RFC 3339; empty for the newest
	APIURL     string
	WorkPool   string

	// PoolExists keeps the worker from making a pool of its own if ours is gone;
	// workers before 3.6.23 cannot be told so.
	PoolExists bool

	// Parameter is the name of the SSM parameter that holds the API's secret,
	// and Variable the setting that gets it: PREFECT_API_KEY or
	// PREFECT_API_AUTH_STRING. Both are empty for an API without authentication.
	Parameter, Variable string

	// TTL is how long the instance runs before it shuts itself down; 0 is for ever.
	TTL time.Duration

	// CA is the certificate of a private authority, in PEM, that signed the
	// API's certificate; empty for the public ones.
	CA string
}

// UserData is the script with which cloud-init makes an instance the agent. It
// installs what is needed, writes the files, and starts the service; it says
// what it does, and why it failed, in lines that begin with "FLOWBED: " on the
// console. The worker is then known as <env>-<instance id>.
//
// The error says what cannot be written safely, or how far the script is over
// EC2's limit.
func UserData(a Agent) (string, error) {
	python, err := text("python3.sh", nil)
	if err != nil {
		return "", err
	}
	install, err := text("pip3.sh", map[string]string{"install": a.install()})
	if err != nil {
		return "", err
	}
	command := "worker start --pool " + unitQuote(a.WorkPool) +
		" --type ecs --name ${FLOWBED_NAME} --install-policy never --with-healthcheck"
	if a.PoolExists {
		command += " --no-create-pool-if-not-found"
	}
	env := []setting{
		{"PREFECT_API_URL", a.APIURL},
		// Its health page is for this machine only.
		{"PREFECT_WORKER_WEBSERVER_HOST", "127.0.0.1"},
	}
	if a.CA != "" {
		// Not PREFECT_API_SSL_CERT_FILE: the worker hands every setting of
		// Prefect's down to its tasks, which have no such file.
		env = append(env, setting{"SSL_CERT_FILE", caFile})
	}
	return setup(a.Place, script{
		python: python, install: install, command: command, env: env,
		parameter: a.Parameter, variable: a.Variable, ca: a.CA, ttl: a.TTL,
		values: []named{{"environment", a.Env}, {"version", a.Prefect + a.PrefectAWS + a.Before}, {"API", a.APIURL}, {"work pool", a.WorkPool}},
	})
}

// pipVersion is the pip that leaves out what was released later. The systems'
// own cannot do that.
const pipVersion = "26.3"

// install is the lines that install the packages. An index that does not say
// when a package was released is used as it is.
func (a Agent) install() string {
	packages := shellQuote("prefect[aws]=="+a.Prefect) + " " + shellQuote("prefect-aws=="+a.PrefectAWS)
	if a.Before == "" {
		return `try "${pip[@]}" ` + packages
	}
	return `try "${pip[@]}" --upgrade pip==` + pipVersion + "\n" +
		`dated() { "${pip[@]}" --uploaded-prior-to ` + shellQuote(a.Before) + " " + packages + ` >>"$log"; }` + "\n" +
		"if ! dated && sleep 20 && ! dated; then\n" +
		"  say 'again: prefect: with the newest packages'\n" +
		`  try "${pip[@]}" ` + packages + "\nfi"
}
