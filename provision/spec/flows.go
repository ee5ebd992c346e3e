package spec

import (
	"fmt"
	"maps"
	"slices"

	"github.com/flowbed/flowbed/provision/secret"
)

// Flows sets what each flow's task gets, unless its deployment says otherwise: the
// defaults of the work pool. What you leave out is not flowbed's to change: a value that
// somebody sets in Prefect stays.
type Flows struct {
	// Enabled leaves the block out if it is false, where the defaults have one.
	// Default: true.
	Enabled *bool `hcl:"enabled,optional"`

	// Image is the container image. Default: Prefect's own image of the version; with a
	// repository block, the repository's URI.
	Image string `hcl:"image,optional"`

	// CPU is in units of 1/1024 vCPU: 256, 512, 1024, 2048, 4096, 8192 or 16384.
	// Default: Prefect's, which is 1024.
	CPU int `hcl:"cpu,optional"`

	// Memory is in MiB. Fargate has a range for each cpu, for example 2048 to 8192 for
	// 1024. Default: Prefect's, which is 2048.
	Memory int `hcl:"memory,optional"`

	// EphemeralStorageGiB is the size of the task's disk in GiB, from 21 to 200.
	// Default: Fargate's, which is 20.
	EphemeralStorageGiB int `hcl:"ephemeral_storage_gib,optional"`

	// CPUArchitecture is "X86_64" or "ARM64". The image must support it.
	// Default: Fargate's, which is "X86_64".
	CPUArchitecture string `hcl:"cpu_architecture,optional"`

	// Spot runs flows on Fargate Spot: cheaper, but AWS may stop a task with two
	// minutes' notice. false means regular Fargate. Default: Prefect's, which is regular
	// Fargate.
	Spot *bool `hcl:"spot,optional"`

	// Env are environment variables. Plans show them, so secrets do not belong here: the
	// key of the Prefect API reaches each task without being written anywhere.
	// Default: none.
	Env map[string]string `hcl:"env,optional"`

	// Secrets are environment variables whose values ECS reads when a task starts: names, and
	// the ARNs of SSM parameters or of secrets in Secrets Manager. The ARN of a secret is
	// optionally followed by a JSON key, a version stage and a version ID, in ECS's format:
	// `<arn>:password::`. The execution role may read exactly these, and decrypt them. Nothing
	// else in flowbed reads them. ECS refuses a name that is in `env`, too.
	// Default: none.
	Secrets map[string]string `hcl:"secrets,optional"`

	// Results stores the results of flows in the flow bucket, below `results/`. flowbed makes a
	// block in Prefect that points there without credentials (s3-bucket/flowbed-<env>), and sets
	// PREFECT_DEFAULT_RESULT_STORAGE_BLOCK and PREFECT_RESULTS_PERSIST_BY_DEFAULT for the tasks,
	// unless `env` says otherwise. The image needs the package prefect-aws. Default: false.
	Results bool `hcl:"results,optional"`
}

// The cpu and memory of a task when nobody says otherwise, by the template of Prefect's
// work pools.
const (
	defaultCPU    = 1024
	defaultMemory = 2048
)

// fargate holds the sizes of tasks: for each cpu the least and the most memory, and the
// step between. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
var fargate = map[int]struct{ least, most, step int }{
	256: {512, 2048, 1024}, 512: {1024, 4096, 1024}, 1024: {2048, 8192, 1024}, 2048: {4096, 16384, 1024},
	4096: {8192, 30720, 1024}, 8192: {16384, 61440, 4096}, 16384: {32768, 122880, 8192},
}

func (f *Flows) check(d *decoder) {
	d.checkSize(taskSize{&f.CPU, &f.Memory, defaultCPU, defaultMemory})
	if n := f.EphemeralStorageGiB; d.has(&f.EphemeralStorageGiB) && (n < 21 || n > 200) {
		d.bad(&f.EphemeralStorageGiB, "Invalid ephemeral_storage_gib", "%s GiB is not a size that Fargate has. → use 21 to 200, or leave it out for 20")
	}
	d.oneOf(&f.CPUArchitecture, "CPU architecture", "X86_64", "ARM64")
	if d.has(&f.Image) && !imageName.matches(f.Image) {
		d.bad(&f.Image, "Invalid image", `%s is not a container image. → use, for example, "prefecthq/prefect:3.9.1-python3.12"`)
	}
	d.checkEnv(&f.Env, badFlowVariable)
	d.checkFlowSecrets(f)
}

// imageName: ECS accepts 255 of these characters.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
var imageName = compile(`^[A-Za-z0-9][A-Za-z0-9_./:#@-]{0,254}$`)

// taskSize are the fields with the size of a task, and the size when nobody says otherwise.
type taskSize struct {
	cpu, memory               *int
	defaultCPU, defaultMemory int
}

func (d *decoder) checkSize(s taskSize) {
	if d.undecidedField(s.cpu) || d.undecidedField(s.memory) {
		return
	}
	cpu, memory, field := *s.cpu, *s.memory, any(s.memory)
	if !d.has(s.cpu) {
		cpu = s.defaultCPU
	}
	if !d.has(s.memory) {
		memory, field = s.defaultMemory, s.cpu
	}
	if !d.has(field) {
		return
	}
	size, ok := fargate[cpu]
	switch {
	case !ok:
		d.bad(s.cpu, "Invalid cpu", "%s is not a cpu that Fargate has. → use %s", wholeNumbers(slices.Sorted(maps.Keys(fargate))))
	case memory < size.least || memory > size.most || memory%size.step != 0 && memory != size.least:
		d.errorAt(d.given[field].attr.Expr.Range(), "Invalid size of a task", fmt.Sprintf(
			"Fargate has no task with a cpu of %d and a memory of %d MiB. → with this cpu, use a memory of %d to %d, in steps of %d", cpu, memory, size.least, size.most, size.step))
	}
}

func wholeNumbers(list []int) string {
	last := len(list) - 1
	text := ""
	for i, n := range list[:last] {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprint(n)
	}
	return fmt.Sprintf("%s or %d", text, list[last])
}

// shownKey is a key of a map at the beginning of a sentence.
func (d *decoder) shownKey(g given, what, name string) string {
	if !g.open {
		return title(article(what))
	}
	return "The " + what + " " + quote(name)
}

func (d *decoder) checkFlowSecrets(f *Flows) {
	g := d.given[&f.Secrets]
	for _, name := range slices.Sorted(maps.Keys(f.Secrets)) {
		_, twice := f.Env[name]
		why := ""
		switch {
		case !envName.matches(name):
			why = badEnvName
		case name == "PREFECT_API_URL":
			why = badFlowVariable(name, "")
		case name == "PREFECT_API_KEY" || name == "PREFECT_API_AUTH_STRING":
			why = "is the secret of the Prefect API, which each task gets anyway. → set it in the prefect block, and remove it here"
		case twice:
			why = "is in env, too, and ECS refuses a name in both. → remove one of them"
		}
		if why == "" {
			_, err := secret.Parse(f.Secrets[name])
			why = badRef(f.Secrets[name], err, g.open)
		}
		if why != "" {
			d.errorAt(d.keyRange(g, name), "Invalid secret", d.shownKey(g, "secret", name)+" "+why)
		}
	}
}

const refExample = ` → use, for example, "arn:aws:ssm:us-east-1:123456789012:parameter/db/password"`

// badRef explains why a text does not say where a secret is; empty if it does.
func badRef(text string, err error, showable bool) string {
	if err == nil {
		return ""
	}
	shown := "has a value that "
	if showable {
		shown = "has the value " + quote(text) + ", which "
	}
	return shown + err.Error() + "." + refExample
}
