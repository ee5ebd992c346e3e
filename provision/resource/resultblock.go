package resource

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/secret"
)

// ResultBlock is a block in Prefect that points to the flow bucket, where flows store their
// results. It has no credentials: a flow uses it with its task role.
type ResultBlock struct {
	API   *prefect.Client // as in Pool
	NoAPI string
	Down  *PoolAPI

	ID             Identity
	Name           string
	Bucket, Folder string
	After          []provision.Edge
	Secret         secret.Ref // as in Pool

	Names NameEntry

	// Destroy means that the run deletes the block.
	Destroy bool
}

// ResultBlockState is the actual state of a block.
type ResultBlockState struct {
	ID, Name       string
	Bucket, Folder string

	owner provision.Owner
}

var (
	_ Kind[ResultBlockState] = ResultBlock{}
	_ provision.Labelled     = ResultBlockState{}
	_ provision.Named        = ResultBlock{}
)

// Owner implements provision.State.
func (s ResultBlockState) Owner() provision.Owner { return s.owner }

// Label is the name under which flows refer to the block.
func (s ResultBlockState) Label() string { return prefect.S3Block + "/" + s.Name }

func (b ResultBlock) client(ctx context.Context) (api *prefect.Client, why string, err error) {
	return Pool{API: b.API, NoAPI: b.NoAPI, Down: b.Down}.client(ctx)
}

// Read implements provision.Resource.
func (b ResultBlock) Read(ctx context.Context) (ResultBlockState, error) {
	api, why, err := b.client(ctx)
	switch {
	case err != nil:
		return ResultBlockState{}, err
	case api == nil:
		return b.unknownState(why), nil
	}
	have, err := api.ReadBlock(ctx, b.Name)
	switch {
	case errors.Is(err, prefect.ErrNotFound):
		return ResultBlockState{}, fmt.Errorf("read block: %w", provision.ErrAbsent)
	case err != nil && b.Destroy && unread(ctx, err, b.Down != nil):
		return b.unknownState(err.Error()), nil
	case err != nil:
		return ResultBlockState{}, err
	}
	s := ResultBlockState{ID: have.ID, Name: b.Name, Bucket: prefect.Text(have.Data["bucket_name"]), Folder: prefect.Text(have.Data["bucket_folder"])}
	if m, ok := have.Mark(); ok {
		s.owner.By = m.Environment + "@" + m.Region
		if m.Account != b.ID.Account {
			s.owner.By += " in account " + m.Account
		}
	}
	return s, nil
}

// unknownState is the state of a block that could not be read, as that of a pool.
func (b ResultBlock) unknownState(why string) ResultBlockState {
	s := ResultBlockState{Name: b.Name, owner: provision.Owner{By: b.ID.Owner()}}
	text := fmt.Sprintf("the block %s is left, because flowbed could not query Prefect: %s → delete it yourself: prefect block delete %s",
		s.Label(), cause(why), s.Label())
	if b.Down == nil {
		s.owner.Claims = []string{"an unknown number of flows (flowbed could not query Prefect: " + cause(why) + ")"}
	} else {
		s.owner.Leave = text
	}
	return s
}

// cause is why flowbed could not query Prefect, without what to do about it.
func cause(why string) string {
	text, _, _ := strings.Cut(why, " → ")
	return text
}

func (b ResultBlock) mark() prefect.Mark {
	return prefect.Mark{Environment: b.ID.Env, Region: b.ID.Region, Account: b.ID.Account}
}

// Create implements provision.Resource. As in Pool, it returns no error if the block exists by
// now.
func (b ResultBlock) Create(ctx context.Context) (*ResultBlockState, error) {
	if err := b.Names.Register(ctx); err != nil {
		return nil, err
	}
	err := b.API.CreateBlock(ctx, b.Name, prefect.BlockData(b.mark(), b.Bucket, b.Folder))
	if errors.Is(err, prefect.ErrConflict) {
		return nil, nil
	}
	return nil, err
}

// Changes implements provision.Resource. Credentials that somebody has added stay.
func (b ResultBlock) Changes(have ResultBlockState) []provision.Change {
	list := append(diffText("bucket", have.Bucket, b.Bucket, nil), diffText("folder", have.Folder, b.Folder, nil)...)
	return provision.Together(list, func(ctx context.Context, fields provision.Fields) error {
		bucket, folder := have.Bucket, have.Folder
		if fields.Has("bucket") {
			bucket = b.Bucket
		}
		if fields.Has("folder") {
			folder = b.Folder
		}
		return b.API.EditBlock(ctx, have.ID, prefect.BlockData(b.mark(), bucket, folder))
	})
}

// Delete implements provision.Resource.
func (b ResultBlock) Delete(ctx context.Context, have ResultBlockState) error {
	api, why, err := b.client(ctx)
	switch {
	case err != nil:
		return err
	case api == nil:
		return fmt.Errorf("delete block: %s", why)
	}
	return api.DeleteBlock(ctx, have.ID)
}

// Costs implements Kind: it is in Prefect.
func (ResultBlock) Costs() []cost.Usage { return nil }

// Permissions are as those of Pool.
func (b ResultBlock) Permissions() Permissions {
	return Pool{Down: b.Down, Secret: b.Secret}.Permissions()
}
