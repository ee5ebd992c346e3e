package prefectapi

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
)

// block is a block document.
type block struct {
	ID     string         `json:"id"`
	Name   string         `json:"name"`
	Type   string         `json:"type"`
	Schema string         `json:"schema"`
	Data   map[string]any `json:"data"`
}

// The types and schemas that a server registers at its start, as far as flowbed uses them. A
// server knows the schemas of the prefect-aws that it was built with, and an older one, in no
// order.
const (
	s3BucketType   = "00000000-0000-4000-8000-0000000000b1"
	s3BucketSchema = "00000000-0000-4000-8000-0000000000b2"
	s3BucketOlder  = "00000000-0000-4000-8000-0000000000b3"
)

// blockTypes answers a call about the types of blocks, or about a block by its name.
func (a *API) blockTypes(c Call, path []string) Answer {
	switch {
	case c.Method != http.MethodGet || len(path) < 2 || path[0] != "slug":
		return notFound()
	case path[1] != "s3-bucket":
		return refused(http.StatusNotFound, "Block type not found")
	case len(path) == 2:
		return Answer{Status: http.StatusOK, Body: map[string]any{"id": s3BucketType, "slug": "s3-bucket", "name": "S3 Bucket"}}
	case len(path) == 5 && path[2] == "block_documents" && path[3] == "name":
		for _, b := range a.Blocks {
			if b.Name == path[4] {
				return Answer{Status: http.StatusOK, Body: b.row()}
			}
		}
		return refused(http.StatusNotFound, "Block document not found")
	}
	return notFound()
}

func (b *block) row() map[string]any {
	return map[string]any{"id": b.ID, "name": b.Name, "data": b.Data, "block_type_id": b.Type, "block_schema_id": b.Schema}
}

// blockSchemas lists the schemas of a type.
func (a *API) blockSchemas(c Call, path []string, body map[string]any) Answer {
	if c.Method != http.MethodPost || len(path) != 1 || path[0] != "filter" {
		return notFound()
	}
	filter, _ := body["block_schemas"].(map[string]any)
	kind, _ := filter["block_type_id"].(map[string]any)
	ids, _ := kind["any_"].([]any)
	list := []map[string]any{}
	for _, id := range ids {
		if id == s3BucketType {
			list = append(list, map[string]any{"id": s3BucketOlder, "version": "0.4.14"}, map[string]any{"id": s3BucketSchema, "version": "0.7.12"})
		}
	}
	return Answer{Status: http.StatusOK, Body: list}
}

var blockName = regexp.MustCompile(`^[a-z0-9-]+$`)

// blocks creates, changes and deletes blocks. Prefect does not validate their data.
func (a *API) blocks(c Call, path []string, body map[string]any) Answer {
	if len(path) == 0 || path[0] == "" {
		if c.Method != http.MethodPost {
			return refused(http.StatusMethodNotAllowed, "Method Not Allowed")
		}
		return a.createBlock(body)
	}
	b := a.Blocks[path[0]]
	switch {
	case b == nil:
		return refused(http.StatusNotFound, "Block document not found")
	case c.Method == http.MethodGet:
		return Answer{Status: http.StatusOK, Body: b.row()}
	case c.Method == http.MethodDelete:
		delete(a.Blocks, path[0])
		return done()
	case c.Method == http.MethodPatch:
		data, _ := body["data"].(map[string]any)
		if merge, given := body["merge_existing_data"].(bool); given && !merge {
			b.Data = map[string]any{}
		}
		maps.Copy(b.Data, data)
		return done()
	}
	return refused(http.StatusMethodNotAllowed, "Method Not Allowed")
}

func (a *API) createBlock(body map[string]any) Answer {
	b := &block{Data: map[string]any{}}
	b.Name, _ = body["name"].(string)
	b.Type, _ = body["block_type_id"].(string)
	b.Schema, _ = body["block_schema_id"].(string)
	data, _ := body["data"].(map[string]any)
	maps.Copy(b.Data, data)
	switch {
	case !blockName.MatchString(b.Name):
		return Answer{Status: http.StatusUnprocessableEntity, Body: map[string]any{"exception_detail": []any{map[string]any{
			"loc": []any{"body", "name"}, "msg": "Value error, Block document name must only contain lowercase letters, numbers, and dashes."}}}}
	case b.Type != s3BucketType || b.Schema != s3BucketSchema && b.Schema != s3BucketOlder:
		return refused(http.StatusNotFound, "Block schema not found")
	}
	for _, have := range a.Blocks {
		if have.Name == b.Name {
			return refused(http.StatusConflict, "Block already exists")
		}
	}
	a.Serial++
	b.ID = fmt.Sprintf("00000000-0000-4000-8000-%012x", a.Serial)
	if a.Blocks == nil {
		a.Blocks = map[string]*block{}
	}
	a.Blocks[b.ID] = b
	return Answer{Status: http.StatusCreated, Body: b.row(), Changed: true}
}
