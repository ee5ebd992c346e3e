package ecs

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

func init() {
	core.Register(service, registerTaskDefinition, registerAccess)
	core.Register(service, deregisterTaskDefinition, core.Anything)
	core.Register(service, describeTaskDefinition, core.Anything)
	core.Register(service, listTaskDefinitions, core.Anything)
	core.Register(service, listFamilies, core.Anything)
	core.Register(service, deleteTaskDefinitions, deleteDefinitionsAccess)
}

var familyChars = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

func (t *taskDefinition) key() string { return fmt.Sprintf("%s:%d", t.Family, t.Revision) }

func (r *request) definition(t *taskDefinition) *types.TaskDefinition {
	o := &types.TaskDefinition{
		TaskDefinitionArn: aws.String(r.arnOf("task-definition/" + t.key())), Family: &t.Family, Revision: t.Revision,
		Status: types.TaskDefinitionStatus(t.Status), RegisteredAt: &t.Registered, NetworkMode: t.NetworkMode, PidMode: t.PidMode,
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("flow"), Image: &t.Image}},
	}
	if t.CPU > 0 {
		o.Cpu, o.Memory = aws.String(strconv.Itoa(t.CPU)), aws.String(strconv.Itoa(t.Memory))
	}
	if c := &o.ContainerDefinitions[0]; t.Container != "" {
		// AWS fills these in, and returns lists that nobody has set.
		c.Essential, c.Cpu, c.PortMappings, c.MountPoints, c.VolumesFrom = aws.Bool(true), 0, []types.PortMapping{}, []types.MountPoint{}, []types.VolumeFrom{}
		if t.Privileged {
			c.Privileged = aws.Bool(true)
		}
		c.Command, c.HealthCheck, c.StopTimeout = t.Command, t.Health, t.StopTimeout
		for _, name := range slices.Sorted(maps.Keys(t.Environment)) {
			c.Environment = append(c.Environment, types.KeyValuePair{Name: aws.String(name), Value: aws.String(t.Environment[name])})
		}
		c.Name = &t.Container
		for _, name := range slices.Sorted(maps.Keys(t.Secrets)) {
			c.Secrets = append(c.Secrets, types.Secret{Name: aws.String(name), ValueFrom: aws.String(t.Secrets[name])})
		}
		if len(t.Log) > 0 {
			c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: maps.Clone(t.Log)}
		}
	}
	if t.TaskRole != "" {
		o.TaskRoleArn = &t.TaskRole
	}
	if t.ExecutionRole != "" {
		o.ExecutionRoleArn = &t.ExecutionRole
	}
	return o
}

func registerTaskDefinition(r *request, in *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
	d, family := r.db(), aws.ToString(in.Family)
	if !familyChars.MatchString(family) {
		return nil, clientError("Family contains invalid characters: %s", family)
	}
	if len(in.ContainerDefinitions) == 0 {
		return nil, clientError("Container list cannot be empty.")
	}
	for _, arn := range []*string{in.TaskRoleArn, in.ExecutionRoleArn} {
		if arn != nil && iam.RoleNamed(r.Request, (*arn)[strings.LastIndex(*arn, "/")+1:]) == nil {
			return nil, clientError("Role is not valid")
		}
	}
	t, err := newTags(core.Tags{}, in.Tags)
	if err != nil {
		return nil, err
	}
	def := &taskDefinition{
		Family: family, Revision: 1, Status: "ACTIVE", Image: aws.ToString(in.ContainerDefinitions[0].Image),
		TaskRole: aws.ToString(in.TaskRoleArn), ExecutionRole: aws.ToString(in.ExecutionRoleArn), Tags: t, Registered: r.Now,
		NetworkMode: in.NetworkMode, PidMode: in.PidMode, Privileged: aws.ToBool(in.ContainerDefinitions[0].Privileged),
	}
	if err := def.contain(in); err != nil {
		return nil, err
	}
	for _, o := range d.Definitions {
		if o.Family == family {
			def.Revision = max(def.Revision, o.Revision+1)
		}
	}
	d.Definitions[def.key()] = def
	return &ecs.RegisterTaskDefinitionOutput{TaskDefinition: r.definition(def), Tags: tagList(t)}, nil
}

// contain keeps what fargate needs to know of the first container.
func (t *taskDefinition) contain(in *ecs.RegisterTaskDefinitionInput) error {
	c := in.ContainerDefinitions[0]
	t.Container = aws.ToString(c.Name)
	for _, s := range c.Secrets {
		if aws.ToString(s.ValueFrom) == "" {
			return clientError("Invalid 'valueFrom' setting for secret %s: the value must not be empty.", aws.ToString(s.Name))
		}
		if _, twice := t.Secrets[aws.ToString(s.Name)]; twice {
			return sharedName(aws.ToString(s.Name))
		}
		if t.Secrets == nil {
			t.Secrets = map[string]string{}
		}
		t.Secrets[aws.ToString(s.Name)] = aws.ToString(s.ValueFrom)
	}
	if err := t.apart(c.Environment); err != nil {
		return err
	}
	if l := c.LogConfiguration; l != nil && l.LogDriver == types.LogDriverAwslogs {
		t.Log = maps.Clone(l.Options)
	}
	if (len(t.Secrets) > 0 || len(t.Log) > 0) && t.ExecutionRole == "" {
		return clientError("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
	}
	t.Command, t.Health, t.StopTimeout = c.Command, c.HealthCheck, c.StopTimeout
	if err := t.variables(c); err != nil {
		return err
	}
	return t.size(in)
}

// variables refuses a variable that is set in two ways.
func (t *taskDefinition) variables(c types.ContainerDefinition) error {
	for _, e := range c.Environment {
		if t.Environment == nil {
			t.Environment = map[string]string{}
		}
		name := aws.ToString(e.Name)
		if _, secret := t.Secrets[name]; secret {
			return clientError("The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '%s'.", name)
		}
		t.Environment[name] = aws.ToString(e.Value)
	}
	if n := t.StopTimeout; n != nil && (*n < 0 || *n > 120) {
		return clientError("Invalid setting for container '%s'. The specified value for 'stopTimeout' is invalid. It must be between 2 and 120.", t.Container)
	}
	h := t.Health
	if h == nil {
		return nil
	}
	if len(h.Command) == 0 || h.Command[0] != "CMD" && h.Command[0] != "CMD-SHELL" {
		return clientError("Health check command must start with either CMD or CMD-SHELL for container: %s.", t.Container)
	}
	for _, f := range []struct {
		name        string
		n           **int32
		least, most int32
		byDefault   int32
	}{{"interval", &h.Interval, 5, 300, 30}, {"timeout", &h.Timeout, 2, 60, 5}, {"retries", &h.Retries, 1, 10, 3}} {
		if *f.n == nil {
			*f.n = aws.Int32(f.byDefault)
		}
		if n := **f.n; n < f.least || n > f.most {
			return clientError("Health check %s must be between %d and %d for container: %s.", f.name, f.least, f.most, t.Container)
		}
	}
	return nil
}

// sizes are those that Fargate has, in MiB by units of CPU: the least, the most and the step.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
var sizes = map[int][3]int{
	256: {512, 2048, 1024}, 512: {1024, 4096, 1024}, 1024: {2048, 8192, 1024}, 2048: {4096, 16384, 1024},
	4096: {8192, 30720, 1024}, 8192: {16384, 61440, 4096}, 16384: {32768, 122880, 8192},
}

// size reads the size of the task, and checks it if Fargate is to run it.
func (t *taskDefinition) size(in *ecs.RegisterTaskDefinitionInput) error {
	for _, f := range []struct {
		text *string
		n    *int
		name string
	}{{in.Cpu, &t.CPU, "cpu"}, {in.Memory, &t.Memory, "memory"}} {
		if f.text == nil {
			continue
		}
		n, err := strconv.Atoi(*f.text)
		if err != nil {
			return clientError("Invalid '%s' setting for task.", f.name)
		}
		*f.n = n
	}
	if !slices.Contains(in.RequiresCompatibilities, types.CompatibilityFargate) {
		return nil
	}
	if in.NetworkMode != types.NetworkModeAwsvpc {
		return clientError("Fargate only supports network mode ‘awsvpc’.")
	}
	s, ok := sizes[t.CPU]
	if !ok || t.Memory < s[0] || t.Memory > s[1] || t.Memory%s[2] != 0 && t.Memory != s[0] {
		return clientError("No Fargate configuration exists for given values: %d CPU, %d memory.", t.CPU, t.Memory)
	}
	return nil
}

// apart checks that no variable has the name of a secret.
func (t *taskDefinition) apart(environment []types.KeyValuePair) error {
	for _, e := range environment {
		if _, both := t.Secrets[aws.ToString(e.Name)]; both {
			return sharedName(aws.ToString(e.Name))
		}
	}
	return nil
}

func sharedName(name string) error {
	return clientError("The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '%s'.", name)
}

// findDefinition finds a task definition by ARN, by family:revision, or by family,
// which means its latest active revision.
func (r *request) findDefinition(s *string) (*taskDefinition, error) {
	name := aws.ToString(s)
	name = name[strings.LastIndex(name, "/")+1:]
	if d := r.db().Definitions[name]; d != nil {
		return d, nil
	}
	var latest *taskDefinition
	for _, d := range r.db().Definitions {
		if d.Family == name && d.Status == "ACTIVE" && (latest == nil || d.Revision > latest.Revision) {
			latest = d
		}
	}
	if latest == nil {
		return nil, clientError("Unable to describe task definition.")
	}
	return latest, nil
}

func deregisterTaskDefinition(r *request, in *ecs.DeregisterTaskDefinitionInput) (*ecs.DeregisterTaskDefinitionOutput, error) {
	name := aws.ToString(in.TaskDefinition)
	if _, revision, ok := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":"); !ok {
		return nil, invalid("Revision is missing from the task definition %q", name)
	} else if _, err := strconv.Atoi(revision); err != nil {
		return nil, invalid("Invalid revision number. Number: %s", revision)
	}
	d, err := r.findDefinition(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	if d.Status == "ACTIVE" {
		d.Status = "INACTIVE"
	}
	return &ecs.DeregisterTaskDefinitionOutput{TaskDefinition: r.definition(d)}, nil
}

func describeTaskDefinition(r *request, in *ecs.DescribeTaskDefinitionInput) (*ecs.DescribeTaskDefinitionOutput, error) {
	d, err := r.findDefinition(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	out := &ecs.DescribeTaskDefinitionOutput{TaskDefinition: r.definition(d)}
	if slices.Contains(in.Include, types.TaskDefinitionFieldTags) {
		out.Tags = tagList(d.Tags)
	}
	return out, nil
}

func listTaskDefinitions(r *request, in *ecs.ListTaskDefinitionsInput) (*ecs.ListTaskDefinitionsOutput, error) {
	status := "ACTIVE"
	if in.Status != "" {
		status = string(in.Status)
	}
	var found []*taskDefinition
	for _, d := range r.db().Definitions {
		if d.Status == status && (in.FamilyPrefix == nil || d.Family == *in.FamilyPrefix) { // it is the whole name
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b *taskDefinition) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Revision, b.Revision))
	})
	if in.Sort == types.SortOrderDesc {
		slices.Reverse(found)
	}
	var all []string
	for _, d := range found {
		all = append(all, r.arnOf("task-definition/"+d.key()))
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 100)
	return &ecs.ListTaskDefinitionsOutput{TaskDefinitionArns: some, NextToken: next}, err
}

// listFamilies lists families by the begin of their names.
func listFamilies(r *request, in *ecs.ListTaskDefinitionFamiliesInput) (*ecs.ListTaskDefinitionFamiliesOutput, error) {
	active, all := map[string]bool{}, map[string]bool{}
	for _, d := range r.db().Definitions {
		if strings.HasPrefix(d.Family, aws.ToString(in.FamilyPrefix)) {
			all[d.Family] = true
			active[d.Family] = active[d.Family] || d.Status == "ACTIVE"
		}
	}
	var list []string
	for _, f := range slices.Sorted(maps.Keys(all)) {
		if in.Status == "" || in.Status == types.TaskDefinitionFamilyStatusAll || active[f] == (in.Status == types.TaskDefinitionFamilyStatusActive) {
			list = append(list, f)
		}
	}
	some, next, err := core.Page(list, in.NextToken, in.MaxResults, 100)
	return &ecs.ListTaskDefinitionFamiliesOutput{Families: some, NextToken: next}, err
}

// deleteTaskDefinitions deletes revisions that are deregistered. It answers with failures for
// the others.
func deleteTaskDefinitions(r *request, in *ecs.DeleteTaskDefinitionsInput) (*ecs.DeleteTaskDefinitionsOutput, error) {
	if n := len(in.TaskDefinitions); n == 0 || n > 10 {
		return nil, invalid("The number of task definitions must be between 1 and 10.")
	}
	out := &ecs.DeleteTaskDefinitionsOutput{}
	for _, arn := range in.TaskDefinitions {
		d := r.db().Definitions[arn[strings.LastIndex(arn, "/")+1:]]
		switch {
		case d == nil:
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(arn), Reason: aws.String("The specified task definition does not exist.")})
		case d.Status == "ACTIVE":
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(arn), Reason: aws.String("The specified task definition is still in ACTIVE status. Please deregister the target and try again.")})
		default:
			d.Status = "DELETE_IN_PROGRESS"
			out.TaskDefinitions = append(out.TaskDefinitions, *r.definition(d))
		}
	}
	return out, nil
}

// forget removes the definitions that are being deleted and that nothing uses any more.
func (r *request) forget() {
	d := r.db()
	used := map[string]bool{}
	for _, s := range d.Services {
		for _, p := range s.Deployments {
			used[p.Definition] = used[p.Definition] || s.Status != "INACTIVE"
		}
	}
	for _, t := range d.Tasks {
		used[t.Definition] = used[t.Definition] || t.Status != "STOPPED"
	}
	for key, o := range d.Definitions {
		if o.Status == "DELETE_IN_PROGRESS" && !used[r.arnOf("task-definition/"+key)] {
			delete(d.Definitions, key)
		}
	}
}
