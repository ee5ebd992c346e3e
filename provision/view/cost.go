package view

import (
	"fmt"
	"strings"

	"github.com/flowbed/flowbed/provision/cost"
)

type (
	// jsonCost is what runs all the time costs a month, in US dollars.
	jsonCost struct {
		Monthly     float64        `json:"monthly"`
		Region      string         `json:"region"`                  // whose prices these are; empty if they are of several regions
		PricesOf    string         `json:"prices_of" schema:"date"` // the date of the price table
		Items       []jsonCostItem `json:"items"`                   // the most expensive first
		Unpriced    []string       `json:"unpriced,omitempty"`      // what the price table does not have
		NotIncluded string         `json:"not_included"`            // what depends on use
	}
	jsonCostItem struct {
		Item    string  `json:"item"`
		Monthly float64 `json:"monthly"`
	}
)

// costJSON returns nil if there is no estimate.
func costJSON(e *cost.Estimate) *jsonCost {
	if e == nil {
		return nil
	}
	c := &jsonCost{Monthly: e.Total.Cents(), Region: e.Region, PricesOf: cost.Prices().Date, Items: []jsonCostItem{}, Unpriced: e.Unpriced,
		NotIncluded: cost.NotIncluded}
	for _, l := range e.Lines {
		c.Items = append(c.Items, jsonCostItem{l.Name, l.Monthly.Cents()})
	}
	return c
}

// cost writes what runs all the time costs a month; nothing if nothing does.
func (o Options) cost(b *strings.Builder, e *cost.Estimate) {
	if e == nil || e.None() {
		return
	}
	verb := "Costs"
	if o.Verb == "down" {
		verb = "Ends what costs"
	}
	o.fit(b, "", monthly(verb, *e), "")
	o.fit(b, "", notIncluded(), dim)
}

// monthly is an estimate in a sentence.
func monthly(verb string, e cost.Estimate) string {
	s := "about " + e.Total.Round() + " a month" + pricesOf(e) + ", all the time: " + clean(e.Items(), false)
	if len(e.Lines) == 0 {
		s = "something all the time"
	}
	return verb + " " + s + unpriced(e) + "."
}

// pricesOf names the region of the prices, if it is another one.
func pricesOf(e cost.Estimate) string {
	if e.Region == "" || e.Region == e.Asked {
		return ""
	}
	return " in " + e.Region
}

func unpriced(e cost.Estimate) string {
	if len(e.Unpriced) == 0 {
		return ""
	}
	return fmt.Sprintf("; without a known price: %s", clean(strings.Join(e.Unpriced, ", "), false))
}

func notIncluded() string {
	return "Not included: " + cost.NotIncluded + ". Prices of " + cost.Prices().Date + "."
}

// share is what an environment costs a month, for a table.
func share(e *cost.Estimate) string {
	switch {
	case e == nil, len(e.Unpriced) > 0 && e.Total == 0:
		return "?"
	case e.None():
		return "-"
	}
	s := e.Total.Round() + pricesOf(*e)
	if len(e.Unpriced) > 0 {
		s += " and more"
	}
	return s
}
