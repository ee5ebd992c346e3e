package core

import (
	"encoding/json"
	"fmt"
	"time"
)

// database is everything in an account. Each service holds its data in a part,
// whose type only that service knows.
type database struct {
	Account string
	Serial  int // the last id
	parts   map[string]any
}

// part describes a service's part to core.
type part struct {
	key       string
	fresh     func() any // returns a pointer to an empty part
	inventory func(r *Request, all map[string]any)
}

// parts holds the registered parts of all services.
var parts []part

// addPart adds a part under its key in the file.
func addPart(p part) {
	for _, other := range append(parts, part{key: "account"}, part{key: "serial"}) {
		if other.key == p.key {
			panic(fmt.Sprintf("two parts of the account are named %q", p.key))
		}
	}
	parts = append(parts, p)
}

func newDatabase(account string) *database {
	d := &database{Account: account, parts: map[string]any{}}
	for _, p := range parts {
		d.parts[p.key] = p.fresh()
	}
	return d
}

// clone copies a database through its JSON form, as saving and loading does.
func (d *database) clone() *database {
	c := newDatabase(d.Account)
	c.Serial = d.Serial
	for key, have := range d.parts {
		b, err := json.Marshal(have)
		if err == nil {
			err = json.Unmarshal(b, c.parts[key])
		}
		if err != nil {
			panic(err) // every part is plain data
		}
	}
	return c
}

// MarshalJSON writes the parts next to core's own fields.
func (d *database) MarshalJSON() ([]byte, error) {
	all := map[string]any{"account": d.Account, "serial": d.Serial}
	for key, p := range d.parts {
		all[key] = p
	}
	return json.Marshal(all)
}

// UnmarshalJSON leaves a part empty if the file lacks it, which means that the file
// is older than the service.
func (d *database) UnmarshalJSON(b []byte) error {
	var own struct {
		Account string `json:"account"`
		Serial  int    `json:"serial"`
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &own); err != nil {
		return err
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*d = *newDatabase(own.Account)
	d.Serial = own.Serial
	for key, p := range d.parts {
		if all[key] == nil {
			continue
		}
		if err := json.Unmarshal(all[key], p); err != nil {
			return fmt.Errorf("read the part %s: %w", key, err)
		}
	}
	return nil
}

// GlobalPart is a service's part that belongs to no region.
type GlobalPart[T any] struct{ key string }

// Global registers a part under its key in the account's file. The part is plain
// data. inventory returns what Account.Inventory shows of it.
func Global[T any](key string, inventory func(*Request, *T) any) GlobalPart[T] {
	g := GlobalPart[T]{key}
	addPart(part{
		key: key, fresh: func() any { return new(T) },
		inventory: func(r *Request, all map[string]any) { put(all, key, inventory(r, g.Of(r))) },
	})
	return g
}

// Of returns the part as the call sees it.
func (g GlobalPart[T]) Of(r *Request) *T { return r.db.parts[g.key].(*T) }

// RegionalPart is a service's part that exists once per region.
type RegionalPart[T any] struct {
	key   string
	fresh func(region string) *T
}

// Regional registers a part under its key in the account's file. The part is plain
// data. A region's part is created on first use, by reads too, and perhaps in a
// snapshot of the past. So the contents of a fresh part must not depend on when it
// is created, and its ids must not come from the serial number. inventory returns
// what Account.Inventory shows of a region's part; its request is in that region.
func Regional[T any](key string, fresh func(region string) *T, inventory func(*Request, *T) any) RegionalPart[T] {
	g := RegionalPart[T]{key, fresh}
	addPart(part{
		key: key, fresh: func() any { return new(map[string]*T) },
		inventory: func(r *Request, all map[string]any) {
			for region, d := range *r.db.parts[key].(*map[string]*T) {
				put(all, key+" "+region, inventory(r.In(region), d))
			}
		},
	})
	return g
}

// In returns the part of the call's region.
func (g RegionalPart[T]) In(r *Request) *T {
	all := r.db.parts[g.key].(*map[string]*T)
	if *all == nil {
		*all = map[string]*T{}
	}
	if (*all)[r.Region] == nil {
		(*all)[r.Region] = g.fresh(r.Region)
	}
	return (*all)[r.Region]
}

// All returns the parts of all regions in which the service was used, by region.
func (g RegionalPart[T]) All(r *Request) map[string]*T { return *r.db.parts[g.key].(*map[string]*T) }

// In returns the call as if it had been made in another region.
func (r *Request) In(region string) *Request {
	c := *r
	c.Region = region
	return &c
}

// Memory holds one value of type T per account until the program ends. It is never
// saved.
type Memory[T any] struct{ _ byte } // not empty, so that each variable has its own address

// Of returns the account's value.
func (m *Memory[T]) Of(r *Request) *T {
	if r.Account.memory[m] == nil {
		r.Account.memory[m] = new(T)
	}
	return r.Account.memory[m].(*T)
}

// snapshot is the account as it was until some time.
type snapshot struct {
	until time.Time
	db    *database
}

// visible returns the account as it was at a given time.
func (a *Account) visible(at time.Time) *database {
	for _, s := range a.past {
		if at.Before(s.until) {
			return s.db
		}
	}
	return a.db
}
