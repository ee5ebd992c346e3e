package core

import (
	"encoding/json"
	"fmt"
	"time"
)

// database is everything that an account holds. What a service holds is a part,
// whose type only the service knows.
type database struct {
	Account string
	Serial  int // of ids
	parts   map[string]any
}

// part is what core knows of a service's part.
type part struct {
	key       string
	fresh     func() any // a pointer to an empty one
	inventory func(r *Request, all map[string]any)
}

// parts are the parts of all services.
var parts []part

// addPart adds a part under its key in the file.
func addPart(p part) {
	for _, other := range append(parts, part{key: "account"}, part{key: "serial"}) {
		if other.key == p.key {
			panic(fmt.Sprintf("two parts of the account are called %q", p.key))
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

// clone copies a database as saving and loading would.
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

// MarshalJSON writes the parts beside what core keeps itself.
func (d *database) MarshalJSON() ([]byte, error) {
	all := map[string]any{"account": d.Account, "serial": d.Serial}
	for key, p := range d.parts {
		all[key] = p
	}
	return json.Marshal(all)
}

// UnmarshalJSON leaves a part empty that the file does not have, because it is
// older than the service.
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

// GlobalPart is a service's part of the account that belongs to no region.
type GlobalPart[T any] struct{ key string }

// Global registers a part, which is plain data, under its key in the account's
// file; inventory is what Account.Inventory shows of it.
func Global[T any](key string, inventory func(*Request, *T) any) GlobalPart[T] {
	g := GlobalPart[T]{key}
	addPart(part{
		key: key, fresh: func() any { return new(T) },
		inventory: func(r *Request, all map[string]any) { put(all, key, inventory(r, g.Of(r))) },
	})
	return g
}

// Of is the part as a call sees it.
func (g GlobalPart[T]) Of(r *Request) *T { return r.db.parts[g.key].(*T) }

// RegionalPart is a service's part of the account that each region has its own of.
type RegionalPart[T any] struct {
	key   string
	fresh func(region string) *T
}

// Regional registers a part, which is plain data, under its key in the account's
// file. A region's part is made when it is first used. Calls that read make it
// too, perhaps in a view of the past: what is in a fresh part must not depend on
// when it is made, so its ids cannot come from the serial number. The inventory
// is what Account.Inventory shows of a region's part; the request is in that
// region.
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

// In is the part of the region in which a call arrived.
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

// All are the parts of the regions in which the service was used, by region.
func (g RegionalPart[T]) All(r *Request) map[string]*T { return *r.db.parts[g.key].(*map[string]*T) }

// In is the same call in another region.
func (r *Request) In(region string) *Request {
	c := *r
	c.Region = region
	return &c
}

// Memory is what a service remembers of an account until the program ends; it is
// never saved. A new one is the key to a value of type T for each account.
type Memory[T any] struct{ _ byte } // not empty, so that each has an address of its own

// Of is the account's value.
func (m *Memory[T]) Of(r *Request) *T {
	if r.Account.memory[m] == nil {
		r.Account.memory[m] = new(T)
	}
	return r.Account.memory[m].(*T)
}

// snapshot is the account as it was until a moment.
type snapshot struct {
	until time.Time
	db    *database
}

// visible is the account as it was at a moment.
func (a *Account) visible(at time.Time) *database {
	for _, s := range a.past {
		if at.Before(s.until) {
			return s.db
		}
	}
	return a.db
}
