package resource

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/secret"
)

// Pool is a work pool in Prefect. Its job template makes flows run in the environment.
// Only the values in Want are ours; flowbed keeps everything else in the template.
type Pool struct {
	API   *prefect.Client // nil if flowbed has no access to the API; then Destroy must be set
	NoAPI string          // why it has none

	// Down finds the API in a run that deletes the whole environment, instead of API. Such a
	// run pauses a pool with deployments, and goes on without a pool that it cannot reach.
	// nil for all other runs.
	Down *PoolAPI

	ID    Identity
	Name  string
	Limit *int // how many flows may run at a time; nil leaves the limit alone
	After []provision.Edge

	// Queues are the work queues that must exist, because a worker takes runs from them:
	// if one of its queues does not exist, a worker takes no runs at all.
	Queues []string

	Names NameEntry

	// Secret is the secret of the API if it exists in AWS; flowbed then reads it.
	Secret secret.Ref

	// Want is our part of the template. An empty text or list means that the value is not
	// known yet.
	Want func() prefect.Defaults

	// Destroy means that the run deletes the pool. Read then also lists deployments,
	// because a pool with deployments must stay. If the API does not answer, Read returns
	// no error, and the run skips the pool.
	Destroy bool

	// DeleteDeployments deletes the deployments together with the pool.
	DeleteDeployments bool
}

// PoolState is the actual state of a work pool.
type PoolState struct {
	Name, Type  string
	Description string
	Template    prefect.Template
	Limit       *int
	Paused      bool
	Queues      []string // the names of all work queues, if Pool.Queues is not empty
	Deployments []string // their names, if Pool.Destroy is set

	owner provision.Owner
}

var (
	_ Kind[PoolState]                = Pool{}
	_ provision.Validator[PoolState] = Pool{}
	_ provision.Labelled             = PoolState{}
	_ provision.Named                = Pool{}
)

// Owner implements provision.State. Deployments count as a claim on the pool. If a run of
// down would pause the pool, the environment itself has a claim, too: to pause a pool is to
// release it.
func (s PoolState) Owner() provision.Owner { return s.owner }

func (p Pool) mark() prefect.Mark {
	return prefect.Mark{Environment: p.ID.Env, Region: p.ID.Region, Account: p.ID.Account}
}

// Create implements provision.Resource. It returns no error if the pool exists by now: the
// engine reads it and finds out who owns it.
func (p Pool) Create(ctx context.Context) (*PoolState, error) {
	if err := p.Names.Register(ctx); err != nil {
		return nil, err
	}
	d := p.Want()
	err := p.API.CreatePool(ctx, prefect.NewPool{
		Name: p.Name, Type: "ecs", Description: p.mark().Describe(""), Limit: p.Limit,
		Template: prefect.Merge(nil, d.Base(), p.entries(d, nil)),
	})
	if errors.Is(err, prefect.ErrConflict) {
		return nil, nil
	}
	return nil, err
}

func (p Pool) entries(d prefect.Defaults, have prefect.Template) []prefect.Entry {
	return append([]prefect.Entry{p.mark().Entry()}, d.Entries(have)...)
}

// Changes implements provision.Resource. One call makes all changes of the template.
func (p Pool) Changes(have PoolState) (c []provision.Change) {
	if have.Name == "" {
		c = append(c, provision.Change{Field: "type", To: provision.Text("ecs")})
	}
	c = append(c, diffText("description", have.Description, p.mark().Describe(have.Description), p.describe)...)
	if p.Limit != nil && (have.Limit == nil || *have.Limit != *p.Limit) {
		c = append(c, diffText("concurrency limit", limitText(have.Limit), strconv.Itoa(*p.Limit), p.limit)...)
	}
	d := p.Want()
	entries := p.entries(d, have.Template)
	if have.Name == "" { // the mark of a new pool is like the owner's tags of a new object
		entries = entries[1:]
	}
	values := valueChanges(have.Template, entries)
	var template []provision.Change
	for _, name := range prefect.Missing(have.Template, d.Base(), entries) {
		field := "template " + name // a variable and the line that uses it may have the same name
		if hasField(values, name) || hasField(template, field) {
			continue
		}
		template = append(template, provision.Change{
			Field: field, To: provision.Text("declared"), Required: true,
			Why: "without it, the worker ignores the value",
		})
	}
	c = append(c, provision.Together(append(template, values...), p.write(d))...)
	for _, name := range p.Queues {
		if !slices.Contains(have.Queues, name) {
			c = append(c, provision.Change{Field: "work queue " + name, To: provision.Text("created"), Required: true, Do: p.addQueue(name)})
		}
	}
	return append(c, p.resume(have)...)
}

// resume is the last change: a pool that down has paused takes runs again when the rest of
// it is right. What somebody else has paused stays paused.
func (p Pool) resume(have PoolState) []provision.Change {
	if !have.Template.PausedByUs() {
		return nil
	}
	c := provision.Change{
		Field: "paused", From: provision.Text(strconv.FormatBool(have.Paused)), To: provision.Text("false"),
		Why: "down paused it", Do: func(ctx context.Context) error { return p.API.Resume(ctx, p.Name) },
	}
	if !have.Paused {
		c.Field, c.From, c.To, c.Why = "note that down paused it", provision.Text("true"), provision.Value{}, "somebody has resumed it"
	}
	return []provision.Change{c}
}

func (p Pool) addQueue(name string) doFunc {
	return func(ctx context.Context) error {
		err := p.API.CreateQueue(ctx, p.Name, name)
		if errors.Is(err, prefect.ErrConflict) { // a lost reply, or somebody else
			return nil
		}
		return err
	}
}

// valueChanges lists the entries that a template lacks. Entries with the same name are one
// change for people.
func valueChanges(have prefect.Template, entries []prefect.Entry) (c []provision.Change) {
	for _, e := range entries {
		was, differs := e.Differs(have)
		if !differs || e.Silent || hasField(c, e.Name) {
			continue
		}
		c = append(c, provision.Change{
			Field: e.Name, From: provision.Text(e.Show(was)), To: entryValue(e), Why: e.Why,
		})
	}
	return c
}

func hasField(c []provision.Change, field string) bool {
	return slices.ContainsFunc(c, func(c provision.Change) bool { return c.Field == field })
}

// entryValue is the value that an entry sets. Only the config file says an empty text on
// purpose; any other empty value is not known yet.
func entryValue(e prefect.Entry) provision.Value {
	switch text := e.Show(e.Value); {
	case e.Unset, e.Removed:
		return provision.Value{}
	case e.Value == nil:
		return provision.Text("null")
	case text == "" && !e.Said:
		return provision.Unknown()
	default:
		return provision.Text(text)
	}
}

func limitText(n *int) string {
	if n == nil {
		return "none"
	}
	return strconv.Itoa(*n)
}

func (p Pool) describe(ctx context.Context) error {
	have, err := p.API.ReadPool(ctx, p.Name)
	if err != nil {
		return err
	}
	return p.API.EditPool(ctx, p.Name, prefect.PoolEdit{Description: new(p.mark().Describe(have.Description))})
}

func (p Pool) limit(ctx context.Context) error {
	return p.API.EditPool(ctx, p.Name, prefect.PoolEdit{Limit: p.Limit})
}

// write writes the values of these fields into the template. It decides anew with the current
// template: a value that somebody has set since the plan is theirs.
func (p Pool) write(d prefect.Defaults) func(context.Context, provision.Fields) error {
	return func(ctx context.Context, fields provision.Fields) error {
		return p.writeFields(ctx, d, fields)
	}
}

func (p Pool) writeFields(ctx context.Context, d prefect.Defaults, fields provision.Fields) error {
	have, err := p.API.ReadPool(ctx, p.Name)
	if err != nil {
		return err
	}
	// Whatever is ignored, the template must declare all that Changes requires.
	all := p.entries(d, have.Template)
	declared := prefect.Declare(have.Template, d.Base(), all)
	entries := slices.DeleteFunc(all, func(e prefect.Entry) bool { return !e.Silent && !fields.Has(e.Name) })
	for _, e := range entries {
		if !e.Silent && !entryValue(e).Known() {
			return fmt.Errorf("%s is not known yet", e.Name)
		}
	}
	want := prefect.Merge(declared, d.Base(), entries)
	if reflect.DeepEqual(have.Template, want) {
		return nil
	}
	return p.API.EditPool(ctx, p.Name, prefect.PoolEdit{Template: want})
}
