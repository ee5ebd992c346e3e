package logs

import (
	"time"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// Indexed is a log group as the index of all tags shows it.
type Indexed struct {
	ARN  string
	Tags core.Tags
}

// ghost is a deleted group that the index still shows.
type ghost struct {
	Tags  core.Tags `json:"tags,omitempty"`
	Until time.Time `json:"until"`
}

// Index returns the groups that have tags, as the index shows them: new ones, and the deletion of
// one, only after a while.
func Index(of *core.Request) (list []Indexed) {
	r := &request{of}
	d, lag := r.db(), of.Account.TagLag
	shown := map[string]core.Tags{}
	for name, g := range d.Ghosts {
		if r.Now.Before(g.Until) {
			shown[name] = g.Tags
		}
	}
	for name, g := range d.Groups {
		if !r.Now.Before(g.Created.Add(lag)) {
			shown[name] = g.Tags
		}
	}
	for _, name := range core.SortedKeys(shown) {
		if len(shown[name]) > 0 {
			list = append(list, Indexed{r.groupARN(name), shown[name]})
		}
	}
	return list
}

// forget deletes a group, which the index shows for a while.
func (r *request) forget(g *logGroup) {
	d := r.db()
	delete(d.Groups, g.Name)
	if lag := r.Account.TagLag; lag > 0 && !r.Now.Before(g.Created.Add(lag)) {
		if d.Ghosts == nil {
			d.Ghosts = map[string]ghost{}
		}
		d.Ghosts[g.Name] = ghost{g.Tags, r.Now.Add(lag)}
	}
}
