package prefectapi

import (
	"net/http"
	"slices"
)

// defaultQueue is the queue that each new pool has.
const defaultQueue = "default"

// queues answers a call about the work queues of a pool.
func (a *API) queues(c Call, pool string, path []string, body map[string]any) Answer {
	switch {
	case len(path) == 0 && c.Method == http.MethodPost:
		return a.addQueue(pool, body)
	case len(path) == 1 && path[0] == "filter" && c.Method == http.MethodPost:
		return Answer{Status: http.StatusOK, Body: page(body, queueRows(a.queuesOf(pool)))}
	}
	return notFound()
}

func (a *API) queuesOf(pool string) []string {
	return append([]string{defaultQueue}, a.Queues[pool]...)
}

func queueRows(names []string) []map[string]any {
	rows := make([]map[string]any, len(names))
	for i, name := range names {
		rows[i] = map[string]any{"name": name}
	}
	return rows
}

func (a *API) addQueue(pool string, body map[string]any) Answer {
	name, _ := body["name"].(string)
	switch {
	case name == "":
		return refused(http.StatusUnprocessableEntity, "Invalid request received.")
	case slices.Contains(a.queuesOf(pool), name):
		return refused(http.StatusConflict, "A work queue with this name already exists in work pool '"+pool+"'.")
	}
	if a.Queues == nil {
		a.Queues = map[string][]string{}
	}
	a.Queues[pool] = append(a.Queues[pool], name)
	return Answer{Status: http.StatusCreated, Body: map[string]any{"name": name}, Changed: true}
}

// page returns the rows that a request asks for by their number.
func page(body map[string]any, rows []map[string]any) []map[string]any {
	offset, _ := body["offset"].(float64)
	limit, ok := body["limit"].(float64)
	if !ok {
		limit = 200
	}
	from := min(int(offset), len(rows))
	return append([]map[string]any{}, rows[from:min(from+int(limit), len(rows))]...)
}
