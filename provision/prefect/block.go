package prefect

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// S3Block is the type of the blocks with which flows store data in a bucket. Their class is in
// the package prefect-aws.
const S3Block = "s3-bucket"

// blockMark is the key of the mark in a block's data. A block's class ignores keys that it does
// not know, and Prefect stores them unchanged.
const blockMark = "flowbed"

// Block is a block document of the type S3Block. Its names are unique in a workspace.
type Block struct {
	ID   string         `json:"id"`
	Name string         `json:"name"`
	Data map[string]any `json:"data"`
}

// BlockData returns the data of a block without credentials, for a folder of a bucket: whoever
// uses it does so with the rights that it has.
func BlockData(m Mark, bucket, folder string) map[string]any {
	return map[string]any{"bucket_name": bucket, "bucket_folder": folder, blockMark: map[string]any{
		"environment": m.Environment, "region": m.Region, "account": m.Account,
	}}
}

// Mark is the environment that created the block; ok is false if the block has no mark.
func (b Block) Mark() (m Mark, ok bool) {
	mark, _ := b.Data[blockMark].(map[string]any)
	m.Environment, _ = mark["environment"].(string)
	m.Region, _ = mark["region"].(string)
	m.Account, _ = mark["account"].(string)
	return m, m.Environment != "" && m.Region != "" && m.Account != ""
}

// ReadBlock reads a block. The error is ErrNotFound if it does not exist, or if the API does
// not know its type.
func (c *Client) ReadBlock(ctx context.Context, name string) (b Block, err error) {
	err = c.call(ctx, http.MethodGet, "/block_types/slug/"+S3Block+"/block_documents/name/"+url.PathEscape(name), nil, &b)
	return b, doing("read block", err)
}

// CreateBlock creates a block with the newest schema of its type that the API has. The error is
// ErrConflict if the name is taken.
func (c *Client) CreateBlock(ctx context.Context, name string, data map[string]any) error {
	var kind struct {
		ID string `json:"id"`
	}
	err := c.call(ctx, http.MethodGet, "/block_types/slug/"+S3Block, nil, &kind)
	if e, ok := errors.AsType[*Error](err); ok && errors.Is(err, ErrNotFound) {
		e.Advice = "register the types of prefect-aws: prefect block register -m prefect_aws"
		return doing("read block type "+S3Block, e)
	}
	if err != nil {
		return doing("read block type "+S3Block, err)
	}
	schema, err := c.newestSchema(ctx, kind.ID)
	if err != nil {
		return err
	}
	return doing("create block", c.call(ctx, http.MethodPost, "/block_documents/", map[string]any{
		"name": name, "block_type_id": kind.ID, "block_schema_id": schema, "data": data,
	}, nil))
}

// newestSchema returns the id of a type's schema with the highest version.
func (c *Client) newestSchema(ctx context.Context, kind string) (string, error) {
	type schema struct {
		ID      string `json:"id"`
		Version string `json:"version"`
	}
	var list []schema
	filter := map[string]any{"block_schemas": map[string]any{"block_type_id": map[string]any{"any_": []string{kind}}}}
	if err := c.call(ctx, http.MethodPost, "/block_schemas/filter", filter, &list); err != nil {
		return "", doing("list block schemas", err)
	}
	if len(list) == 0 {
		return "", &Error{URL: c.shown, Err: errors.New("the block type " + S3Block + " has no schema"),
			Advice: "register the types of prefect-aws: prefect block register -m prefect_aws"}
	}
	return slices.MaxFunc(list, func(a, b schema) int { return compareVersions(a.Version, b.Version) }).ID, nil
}

// compareVersions compares versions by their numbers. What is no number counts as none.
func compareVersions(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if order := cmp.Compare(m, n); order != 0 {
			return order
		}
	}
	return cmp.Compare(len(x), len(y))
}

// EditBlock changes members of a block's data, and leaves the others.
func (c *Client) EditBlock(ctx context.Context, id string, data map[string]any) error {
	return doing("change block", c.call(ctx, http.MethodPatch, "/block_documents/"+url.PathEscape(id), map[string]any{
		"data": data, "merge_existing_data": true,
	}, nil))
}

// DeleteBlock deletes a block. It is not an error if it does not exist.
func (c *Client) DeleteBlock(ctx context.Context, id string) error {
	err := c.call(ctx, http.MethodDelete, "/block_documents/"+url.PathEscape(id), nil, nil)
	return doing("delete block", gone(err))
}
