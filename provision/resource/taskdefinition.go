package resource

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/names"
)

// TaskDefinition is the ECS task definition of the agent's service. AWS never changes one: up
// registers a new revision of the family. The service then moves to it, and [ServiceWorker]
// deregisters the earlier ones.
//
// AWS fills in defaults, sorts lists and returns a definition in another form than it got, so
// a tag of each revision holds the digest of what up asked for.
type TaskDefinition struct {
	API       *ecs.Client
	ID        Identity
	Family    string
	CPU       int // in units of 1/1024 vCPU
	Memory    int // in MiB
	LogGroup  string
	Task      provision.Ref[RoleState]
	Execution provision.Ref[RoleState]
	Container func() (Container, error) // nil for down; an error if something is not known yet
	Causes    Causes                    // of texts of containers that differ; may be nil

	// Inactive also deletes the revisions that are deregistered.
	Inactive bool

	// After are the steps of which Container needs the states.
	After []provision.Edge

	Names NameEntry // of the family

	ignored provision.Fields
}

// KindTaskDefinition and KindWorkerRole are the kinds in the log of names.
var (
	KindTaskDefinition = renamable("task definition")
	KindWorkerRole     = renamable("worker role")
)

// Container is what the task runs.
type Container struct {
	Name        string
	Image       string
	Command     []string
	Environment map[string]string
	Secrets     map[string]string // ARNs of parameters by variable
	Health      []string          // a command that fails if the container is not well
	StopTimeout int               // in seconds
}

// KeyDefinition is the tag of a task definition with the digest of what up asked for.
const KeyDefinition = "flowbed:definition"

// Revision is one revision of the family.
type Revision struct {
	ARN         string
	Number      int
	Image       string
	CPU, Memory string
	Text        string // what its container runs; see containerText
	Tags        Tags
}

// TaskDefinitionState is the newest revision of ours. It does not tell whether a revision is
// deregistered: to a run that deletes all of them, that would be another state to act on.
type TaskDefinitionState struct {
	Revision
	Others []Revision // of ours, the newest first
}

var (
	_ Kind[TaskDefinitionState] = TaskDefinition{}
	_ Discoverer                = TaskDefinition{}
	_ provision.Labelled        = TaskDefinitionState{}
	_ provision.Named           = TaskDefinition{}

	_ provision.Ignorer[TaskDefinitionState] = TaskDefinition{}
)

// A family without an active revision is unknown to ECS in a code of its own words:
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTaskDefinition.html
var _ = awserr.Declare(awserr.Errors{Rules: []awserr.Rule{
	{Operation: "DescribeTaskDefinition", Code: "ClientException", Message: "Unable to describe task definition", Class: awserr.Absent},
	{Operation: "DeregisterTaskDefinition", Code: "ClientException", Message: "Unable to describe task definition", Class: awserr.Absent},
	// A role that IAM has just created.
	{Operation: "RegisterTaskDefinition", Code: "ClientException", Message: "Role is not valid", Class: awserr.Transient},
}})

// Owner implements provision.State.
func (s TaskDefinitionState) Owner() provision.Owner { return s.Tags.Owner() }

// Label is the family with the revision.
func (s TaskDefinitionState) Label() string { return lastPart(s.ARN) }

// Read implements provision.Resource. If we have revisions, it ignores those of others.
func (d TaskDefinition) Read(ctx context.Context) (s TaskDefinitionState, err error) {
	list, err := d.revisions(ctx, types.TaskDefinitionStatusActive)
	if err != nil {
		return s, err
	}
	if d.Inactive {
		more, err := d.revisions(ctx, types.TaskDefinitionStatusInactive)
		if err != nil {
			return s, err
		}
		more = slices.DeleteFunc(more, func(r Revision) bool { return !d.ours(r) })
		list = append(list, more...)
		slices.SortFunc(list, newestRevision)
	}
	if len(list) == 0 {
		return s, fmt.Errorf("read task definition: %w", provision.ErrAbsent)
	}
	if slices.ContainsFunc(list, d.ours) {
		list = slices.DeleteFunc(list, func(r Revision) bool { return !d.ours(r) })
	}
	return TaskDefinitionState{list[0], list[1:]}, nil
}

func (d TaskDefinition) ours(r Revision) bool { return r.Tags.Owner().By == d.ID.Owner() }

// revisions returns the revisions of the family, the newest first.
func (d TaskDefinition) revisions(ctx context.Context, status types.TaskDefinitionStatus) ([]Revision, error) {
	arns, err := d.arnsOf(ctx, status)
	if err != nil {
		return nil, err
	}
	found := make([]*Revision, len(arns))
	reads := make([]func(context.Context) error, len(arns))
	for i, arn := range arns {
		reads[i] = func(ctx context.Context) (err error) {
			found[i], err = d.describe(ctx, arn)
			return err
		}
	}
	if err := parallel(ctx, reads...); err != nil {
		return nil, err
	}
	var list []Revision
	for _, r := range found {
		if r != nil {
			list = append(list, *r)
		}
	}
	slices.SortFunc(list, newestRevision)
	return list, nil
}

func newestRevision(a, b Revision) int { return cmp.Compare(b.Number, a.Number) }

// arnsOf returns the ARNs of the family's revisions.
func (d TaskDefinition) arnsOf(ctx context.Context, status types.TaskDefinitionStatus) (arns []string, err error) {
	pages := ecs.NewListTaskDefinitionsPaginator(d.API, &ecs.ListTaskDefinitionsInput{
		FamilyPrefix: &d.Family, Status: status, Sort: types.SortOrderDesc, MaxResults: new(int32(100)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list task definitions: %w", err)
		}
		arns = append(arns, page.TaskDefinitionArns...)
	}
	return arns, nil
}

// describe returns nil for a revision that is gone, or is being deleted: ECS keeps that until
// nothing uses it.
func (d TaskDefinition) describe(ctx context.Context, arn string) (*Revision, error) {
	out, err := d.API.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{
		TaskDefinition: &arn, Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags},
	})
	if awserr.Classify(err) == awserr.Absent {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read task definition %s: %w", lastPart(arn), err)
	}
	o := deref(out.TaskDefinition)
	if o.Status == types.TaskDefinitionStatusDeleteInProgress || deref(o.TaskDefinitionArn) == "" {
		return nil, nil
	}
	r := revisionOf(o, out.Tags, d.containerName())
	return &r, nil
}

// revisionOf is a revision as ECS describes it. Name is that of its main container.
func revisionOf(o types.TaskDefinition, tags []types.Tag, name string) Revision {
	r := Revision{
		ARN: deref(o.TaskDefinitionArn), Number: int(o.Revision),
		CPU: deref(o.Cpu), Memory: deref(o.Memory),
		Tags: tagsOf(tags, func(t types.Tag) (*string, *string) { return t.Key, t.Value }),
	}
	if len(o.ContainerDefinitions) > 0 {
		c := o.ContainerDefinitions[mainContainer(o.ContainerDefinitions, name)]
		r.Image = deref(c.Image)
		r.Text = containerText(deref(o.TaskRoleArn), deref(o.ExecutionRoleArn), c)
	}
	return r
}

func ecsTag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }

// input returns the request, without its tags. It fails if something is not known yet.
func (d TaskDefinition) input() (*ecs.RegisterTaskDefinitionInput, error) {
	c, err := d.Container()
	if err != nil {
		return nil, err
	}
	task, known := d.Task.Expect()
	execution, also := d.Execution.Expect()
	if !known || !also {
		return nil, errors.New("the roles of the task are not known yet")
	}
	o := types.ContainerDefinition{
		Name: &c.Name, Image: &c.Image, Command: c.Command, Essential: new(true), StopTimeout: new(int32(c.StopTimeout)),
		LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": d.LogGroup, "awslogs-region": d.ID.Region, "awslogs-stream-prefix": c.Name,
		}},
		// The image's own check does not count. The worker may take a minute to start.
		// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html
		HealthCheck: &types.HealthCheck{
			Command: c.Health, Interval: new(int32(30)), Timeout: new(int32(10)), Retries: new(int32(3)), StartPeriod: new(int32(120)),
		},
	}
	for _, t := range tagList(Tags(c.Environment), ecsTag) {
		o.Environment = append(o.Environment, types.KeyValuePair{Name: t.Key, Value: t.Value})
	}
	for _, t := range tagList(Tags(c.Secrets), ecsTag) {
		o.Secrets = append(o.Secrets, types.Secret{Name: t.Key, ValueFrom: t.Value})
	}
	return &ecs.RegisterTaskDefinitionInput{
		Family: &d.Family, Cpu: new(strconv.Itoa(d.CPU)), Memory: new(strconv.Itoa(d.Memory)),
		NetworkMode: types.NetworkModeAwsvpc, RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		TaskRoleArn: &task.ARN, ExecutionRoleArn: &execution.ARN, ContainerDefinitions: []types.ContainerDefinition{o},
	}, nil
}

// want returns the digest of the request, and false if it is not known yet.
func (d TaskDefinition) want() (string, bool) {
	in, err := d.input()
	if err != nil {
		return "", false
	}
	b, err := json.Marshal(in)
	if err != nil {
		panic(err) // the SDK's inputs are plain data
	}
	return digest(string(b)), true
}

// tags are those of a new revision.
func (d TaskDefinition) tags() Tags {
	t := d.ID.Tags(d.Family)
	t[KeyDefinition], _ = d.want()
	return t
}

// Create implements provision.Resource.
func (d TaskDefinition) Create(ctx context.Context) (*TaskDefinitionState, error) {
	if err := d.Names.Register(ctx); err != nil {
		return nil, err
	}
	in, err := d.input()
	if err != nil {
		return nil, fmt.Errorf("register task definition: %w", err)
	}
	r, err := d.register(ctx, in, d.tags())
	if err != nil || r.ARN == "" {
		return nil, err
	}
	return &TaskDefinitionState{Revision: r}, nil
}

// register adds a revision. ECS has no token for this call, so a second one adds another
// revision; the newest counts.
func (d TaskDefinition) register(ctx context.Context, in *ecs.RegisterTaskDefinitionInput, tags Tags) (r Revision, err error) {
	in.Tags = tagList(tags, ecsTag)
	out, err := d.API.RegisterTaskDefinition(ctx, in)
	if err != nil {
		return r, fmt.Errorf("register task definition: %w", err)
	}
	return revisionOf(deref(out.TaskDefinition), in.Tags, d.containerName()), nil
}

// Changes implements provision.Resource.
func (d TaskDefinition) Changes(have TaskDefinitionState) []provision.Change {
	tags := d.ID.Tags(d.Family)
	switch list, renews := d.revise(have); {
	case have.ARN == "":
		return append(list, tagChange(nil, tags, false, tagger{})...)
	case renews: // the new revision gets its tags when it is registered
		return list
	default:
		return append(list, tagChange(have.Tags, tags, false, tagger{d.setTags(have.ARN), d.dropTags(have.ARN)})...)
	}
}

// revise lists what differs from the newest revision, and reports whether that needs another
// one: it does not if all of that is ignored.
func (d TaskDefinition) revise(have TaskDefinitionState) (list []provision.Change, renews bool) {
	kept := d.as(have.Revision)
	add := func(field, from string, to provision.Value) {
		if from != to.String() || !to.Known() {
			list, renews = append(list, provision.Change{Field: field, From: provision.Text(from), To: to}), renews || !d.ignored.Has(field)
		}
	}
	if c, err := d.Container(); err == nil {
		add("image", have.Image, provision.Text(c.Image))
	}
	add("cpu", have.CPU, provision.Text(strconv.Itoa(d.CPU)))
	add("memory", have.Memory, provision.Text(strconv.Itoa(d.Memory)))
	if have.ARN == "" || !d.tagged(have) && !kept.tagged(have) {
		if c := kept.definition(have, renews); c != nil {
			list, renews = append(list, *c), renews || !d.ignored.Has(fieldDefinition)
		}
	}
	if have.ARN == "" {
		return list, renews
	}
	if at := slices.IndexFunc(list, func(c provision.Change) bool { return !d.ignored.Has(c.Field) }); at >= 0 {
		list[at].Why = "a task definition cannot be changed: a new revision replaces " + lastPart(have.ARN)
	}
	return provision.Together(list, func(ctx context.Context, _ provision.Fields) error { return kept.renew(ctx, have.Revision) }), renews
}

// tagged reports whether a revision has the tag of this definition. Others who register one like
// it, but for its image or its size, copy the tag.
func (d TaskDefinition) tagged(have TaskDefinitionState) bool {
	want, known := d.want()
	return known && have.Tags[KeyDefinition] == want
}

func (d TaskDefinition) setTags(arn string) func(context.Context, Tags) error {
	return func(ctx context.Context, t Tags) error {
		_, err := d.API.TagResource(ctx, &ecs.TagResourceInput{ResourceArn: &arn, Tags: tagList(t, ecsTag)})
		return err
	}
}

func (d TaskDefinition) dropTags(arn string) func(context.Context, []string) error {
	return func(ctx context.Context, keys []string) error {
		_, err := d.API.UntagResource(ctx, &ecs.UntagResourceInput{ResourceArn: &arn, TagKeys: keys})
		return err
	}
}

// maxDeleted is how many revisions one call deletes.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteTaskDefinitions.html
const maxDeleted = 10

// Delete implements provision.Resource. ECS deletes only revisions that are deregistered.
func (d TaskDefinition) Delete(ctx context.Context, have TaskDefinitionState) error {
	all := append([]Revision{have.Revision}, have.Others...)
	active, err := d.arnsOf(ctx, types.TaskDefinitionStatusActive)
	if err != nil {
		return err
	}
	for _, r := range all {
		if err := provision.Stopped(ctx); err != nil {
			return err
		}
		if slices.Contains(active, r.ARN) {
			if err := deregister(ctx, d.API, r.ARN); err != nil {
				return err
			}
		}
	}
	for batch := range slices.Chunk(all, maxDeleted) {
		var arns []string
		for _, r := range batch {
			arns = append(arns, r.ARN)
		}
		out, err := d.API.DeleteTaskDefinitions(ctx, &ecs.DeleteTaskDefinitionsInput{TaskDefinitions: arns})
		if err := awserr.Gone(err); err != nil {
			return fmt.Errorf("delete task definitions: %w", err)
		}
		for _, f := range deref(out).Failures {
			if strings.Contains(deref(f.Reason), "does not exist") {
				continue
			}
			return fmt.Errorf("delete task definition %s: %s %s", lastPart(deref(f.Arn)), deref(f.Reason), deref(f.Detail))
		}
	}
	return nil
}

func deregister(ctx context.Context, api *ecs.Client, arn string) error {
	_, err := api.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &arn})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("deregister task definition %s: %w", lastPart(arn), err)
	}
	return nil
}

// arns is the pattern of the family's revisions.
func (d TaskDefinition) arns() Permission {
	family := d.ID.ARN("ecs", d.ID.Region, "task-definition/"+d.Family)
	return on(family + ":*").like(family + ":1")
}

// Costs implements Kind: AWS bills the tasks, which are those of the service.
func (TaskDefinition) Costs() []cost.Usage { return nil }

// Permissions are what the calls need. AWS limits neither reading nor deregistering to a
// family.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
func (d TaskDefinition) Permissions() Permissions {
	task, _ := d.Task.Expect()
	execution, _ := d.Execution.Expect()
	pass := on(task.ARN, "iam:PassRole").and(task.ARNs()[1:]...).and(execution.ARNs()...)
	if lastPart(execution.ARN) == names.AccountExecutionRole { // up may choose the environment's own instead
		pass = pass.and(d.ID.ARN("iam", "", "role/"+d.ID.Names().ExecutionRole()))
	}
	may := func(actions ...string) Permission {
		p := d.arns()
		p.Actions = actions
		return p
	}
	return Permissions{
		Read: []Permission{on("*", "ecs:ListTaskDefinitions", "ecs:DescribeTaskDefinition")},
		Build: []Permission{
			may("ecs:RegisterTaskDefinition", "ecs:TagResource", "ecs:UntagResource"),
			pass.when("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com").
				implied("ECS checks it when a task definition names a role"),
		},
		Delete: []Permission{on("*", "ecs:DeregisterTaskDefinition"), may("ecs:DeleteTaskDefinitions")},
	}
}

// Discover implements Discoverer. It finds the families with derived names that have an active
// revision.
func (d TaskDefinition) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	pages := ecs.NewListTaskDefinitionFamiliesPaginator(d.API, &ecs.ListTaskDefinitionFamiliesInput{
		FamilyPrefix: new(names.Prefix), Status: types.TaskDefinitionFamilyStatusActive, MaxResults: new(int32(100)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list task definitions in %s: %w", d.ID.Region, err)
		}
		for _, family := range page.Families {
			list = append(list, Found{Kind: "task definition", Name: family})
		}
	}
	return withTags(ctx, list, func(ctx context.Context, f Found) (Tags, error) {
		r, err := d.describe(ctx, f.Name) // the latest active revision
		if err != nil || r == nil {
			return nil, cmp.Or(err, provision.ErrAbsent)
		}
		return r.Tags, nil
	})
}
