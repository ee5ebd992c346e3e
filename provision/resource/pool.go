package resource

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
)

// Pool is a work pool in Prefect, whose job template gives the runs their place
// in the environment. In the template only the values that Want names are ours;
// whatever else somebody puts there stays.
type Pool struct {
	API   *prefect.Client // nil if the API cannot be asked; then Destroy must be set
	ID    Identity
	Name  string
	Limit *int // of runs at a time; nil leaves it to others
	After []provision.Edge

	Names NameEntry

	// Want is our part of the template, as far as it is known: a text or a list
	// that is empty is known after up.
	Want func() prefect.Defaults

	// Destroy means that the pool is to be deleted: Read looks for deployments too,
	// whose pool must stay, and an API that does not answer is no error: the pool
	// is left.
	Destroy bool
}

// PoolState is a work pool as it is found.
type PoolState struct {
	Name, Type  string
	Description string
	Template    prefect.Template
	Limit       *int
	Paused      bool

	owner provision.Owner
}

var (
	_ Kind[PoolState]                = Pool{}
	_ provision.Validator[PoolState] = Pool{}
	_ provision.Labelled             = PoolState{}
)

// Owner implements provision.State. Deployments have a claim on the pool.
func (s PoolState) Owner() provision.Owner { return s.owner }

func (p Pool) mark() prefect.Mark {
	return prefect.Mark{Environment: p.ID.Env, Region: p.ID.Region, Account: p.ID.Account}
}

// Create implements provision.Resource. A pool that is there meanwhile is no
// error: the engine looks again, and sees whose it is.
func (p Pool) Create(ctx context.Context) (*PoolState, error) {
	if err := p.Names.Register(ctx); err != nil {
		return nil, err
	}
	d := p.Want()
	err := p.API.CreatePool(ctx, prefect.NewPool{
		Name: p.Name, Type: "ecs", Description: p.mark().Describe(""), Limit: p.Limit,
		Template: prefect.Merge(nil, prefect.Base(d.Kind), p.entries(d)),
	})
	if errors.Is(err, prefect.ErrConflict) {
		return nil, nil
	}
	return nil, err
}

func (p Pool) entries(d prefect.Defaults) []prefect.Entry {
	return append([]prefect.Entry{p.mark().Entry()}, d.Entries()...)
}

// Changes implements provision.Resource. All differences of the template go with
// one call, whichever comes first.
func (p Pool) Changes(have PoolState) (c []provision.Change) {
	if have.Name == "" {
		c = append(c, provision.Change{Field: "type", To: provision.Text("ecs")})
	}
	c = append(c, differs("description", have.Description, p.mark().Describe(have.Description), p.describe)...)
	if p.Limit != nil && (have.Limit == nil || *have.Limit != *p.Limit) {
		c = append(c, differs("concurrency limit", limitText(have.Limit), strconv.Itoa(*p.Limit), p.limit)...)
	}
	d := p.Want()
	entries := p.entries(d)
	repair := p.repair(d.Kind, entries)
	for _, name := range prefect.Missing(have.Template, prefect.Base(d.Kind), entries) {
		c = append(c, provision.Change{
			Field: "template " + name, To: provision.Text("declared"), Do: repair,
			Why: "without it the worker does not read the value",
		})
	}
	for _, e := range entries {
		if was, differs := e.Differs(have.Template); differs {
			c = append(c, provision.Change{
				Field: e.Name, From: provision.Text(prefect.Text(was)), To: entryValue(e), Do: repair,
			})
		}
	}
	return c
}

// entryValue is what an entry sets. No entry of ours is meant to be empty, so
// an empty one waits for an earlier step.
func entryValue(e prefect.Entry) provision.Value {
	switch text := prefect.Text(e.Value); {
	case e.Unset:
		return provision.Value{}
	case e.Value == nil:
		return provision.Text("null")
	case text == "":
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

// repair writes our values into the template as it is now, once for all the
// changes of one list.
func (p Pool) repair(kind prefect.Kind, entries []prefect.Entry) do {
	var once sync.Once
	var err error
	return func(ctx context.Context) error {
		once.Do(func() { err = p.write(ctx, kind, entries) })
		return err
	}
}

func (p Pool) write(ctx context.Context, kind prefect.Kind, entries []prefect.Entry) error {
	for _, e := range entries {
		if !entryValue(e).Known() {
			return fmt.Errorf("%s is not known yet", e.Name)
		}
	}
	have, err := p.API.ReadPool(ctx, p.Name)
	if err != nil {
		return err
	}
	want := prefect.Merge(have.Template, prefect.Base(kind), entries)
	if reflect.DeepEqual(have.Template, want) {
		return nil
	}
	return p.API.EditPool(ctx, p.Name, prefect.PoolEdit{Template: want})
}

// Delete implements provision.Resource. It counts the deployments once more: on
// the way here an instance had to end, and that takes a while.
func (p Pool) Delete(ctx context.Context, _ PoolState) error {
	n, err := p.API.Deployments(ctx, p.Name)
	switch {
	case err != nil:
		return err
	case n > 0:
		return fmt.Errorf("meanwhile %s it", map[bool]string{true: "a deployment uses", false: counted(n, "deployment") + " use"}[n == 1])
	}
	return p.API.DeletePool(ctx, p.Name)
}

// Permissions are none: it asks Prefect, not AWS.
func (Pool) Permissions() Permissions { return Permissions{} }
