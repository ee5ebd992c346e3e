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

// Pool is a work pool in Prefect. Its job template makes flows run in the environment.
// Only the values in Want are ours; flowbed keeps everything else in the template.
type Pool struct {
	API   *prefect.Client // nil if flowbed has no access to the API; then Destroy must be set
	ID    Identity
	Name  string
	Limit *int // how many flows may run at a time; nil leaves the limit alone
	After []provision.Edge

	Names NameEntry

	// Want is our part of the template. An empty text or list means that the value is not
	// known yet.
	Want func() prefect.Defaults

	// Destroy means that the run deletes the pool. Read then also counts deployments,
	// because a pool with deployments must stay. If the API does not answer, Read returns
	// no error, and the run skips the pool.
	Destroy bool
}

// PoolState is the actual state of a work pool.
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

// Owner implements provision.State. Deployments count as a claim on the pool.
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

// Changes implements provision.Resource. The first change of the template makes one call
// for all of them.
func (p Pool) Changes(have PoolState) (c []provision.Change) {
	if have.Name == "" {
		c = append(c, provision.Change{Field: "type", To: provision.Text("ecs")})
	}
	c = append(c, diffText("description", have.Description, p.mark().Describe(have.Description), p.describe)...)
	if p.Limit != nil && (have.Limit == nil || *have.Limit != *p.Limit) {
		c = append(c, diffText("concurrency limit", limitText(have.Limit), strconv.Itoa(*p.Limit), p.limit)...)
	}
	d := p.Want()
	entries := p.entries(d)
	repair := p.repair(d.Kind, entries)
	for _, name := range prefect.Missing(have.Template, prefect.Base(d.Kind), entries) {
		c = append(c, provision.Change{
			Field: "template " + name, To: provision.Text("declared"), Do: repair,
			Why: "without it, the worker ignores the value",
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

// entryValue is the value that an entry sets. None of our entries is empty on purpose, so
// an empty one is not known yet.
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

// repair reads the current template and writes our values into it, once for all changes
// of one list.
func (p Pool) repair(kind prefect.Kind, entries []prefect.Entry) doFunc {
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

// Delete implements provision.Resource. It counts the deployments again: the instance had
// to terminate first, and that took some time.
func (p Pool) Delete(ctx context.Context, _ PoolState) error {
	n, err := p.API.Deployments(ctx, p.Name)
	switch {
	case err != nil:
		return err
	case n > 0:
		return fmt.Errorf("the work pool now has %s → run the same command to continue without deleting the work pool", plural(n, "deployment"))
	}
	return p.API.DeletePool(ctx, p.Name)
}

// Permissions are none: the calls go to Prefect, not to AWS.
func (Pool) Permissions() Permissions { return Permissions{} }
