package stack

import (
	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
)

// resultFolder is the folder of the flow bucket with the results of flows.
const resultFolder = "results"

// storesResults reports whether the tasks store results in the flow bucket.
func (s *Stack) storesResults() bool {
	return s.env.Flows.Results && s.env.Prefect != nil && s.version.Kind() != prefect.Agent1
}

// resultSettings are the variables that make flows store their results with a block. Only with
// the second one do flows that do not ask for it store any.
func resultSettings(block string) map[string]string {
	return map[string]string{
		"PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": prefect.S3Block + "/" + block,
		"PREFECT_RESULTS_PERSIST_BY_DEFAULT":   "true",
	}
}

// addResults adds the block that points to the flow bucket, if the spec wants it. The log group
// records that there is one, so that no call is made without. The work pool, which makes tasks
// use it, comes after it, and down deletes it after the pool and the tasks.
func (s *Stack) addResults() {
	if s.o.NoPrefect {
		return
	}
	name, api, why := "", s.api, s.noPoolAPI()
	if s.storesResults() && api != nil {
		name = s.id.Names().Plain()
	}
	if why != "" {
		api = nil
	}
	block := resource.ResultBlock{
		API: api, NoAPI: why, ID: s.id, Down: s.poolAPI, Bucket: s.env.Bucket.Name, Folder: resultFolder, Secret: s.existingSecret(),
		Destroy: s.o.Destroy,
	}
	e := entry(resource.KindResultBlock, name, s.id.Names().Plain(), "")
	e.Optional = true
	e = addOrphans(s, e, "", func(name string) resource.Kind[resource.ResultBlockState] {
		old := block
		old.Name, old.Destroy = name, true
		return old
	}, s.bucket, s.parameter)
	if name == "" {
		return
	}
	block.Name, block.Names, block.After = name, e, []provision.Edge{s.bucket, s.logs, s.parameter}
	s.results = add(s, "result storage", provision.Own, block)
}
