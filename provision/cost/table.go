package cost

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

//go:embed prices.json
var document []byte

// Table has the prices, in US dollars.
type Table struct {
	Date    string   `json:"date"` // of the newest of the sources; see Age
	Note    string   `json:"note"` // how the prices were found
	Sources []Source `json:"sources"`
	Base    string   `json:"base"` // the region whose prices stand in for those that are not known

	Everywhere Rates             `json:"everywhere"` // has the prices that all regions share
	Regions    map[string]*Rates `json:"regions"`
}

// Source is where prices come from.
type Source struct {
	About string `json:"about"`
	Page  string `json:"page"` // where AWS shows the price of today
	Date  string `json:"date"` // of the price list
}

// Rates are prices by item.
type Rates struct {
	Hour  map[string]float64 `json:"hour"`
	Month map[string]float64 `json:"month"`
}

// prices is the table of the program. A test reads it, so that it can be read.
var prices = sync.OnceValue(func() *Table {
	t := &Table{}
	if err := json.Unmarshal(document, t); err != nil {
		panic(fmt.Sprintf("cost: prices.json: %v", err))
	}
	return t
})

// Prices is the table of the program.
func Prices() *Table { return prices() }

// Day is the form of the dates in the table.
const Day = "2006-01-02"

// Age is how many days ago the table was checked.
func (t *Table) Age(now time.Time) int {
	date, err := time.Parse(Day, t.Date)
	if err != nil || now.Before(date) {
		return 0
	}
	return int(now.Sub(date).Hours() / 24)
}

// monthly is the price of an item for a month.
func (t *Table) monthly(region, item string) (float64, bool) {
	for _, r := range []*Rates{t.Regions[region], &t.Everywhere} {
		if r == nil {
			continue
		}
		if hourly, ok := r.Hour[item]; ok {
			return hourly * HoursPerMonth, true
		}
		if monthly, ok := r.Month[item]; ok {
			return monthly, true
		}
	}
	return 0, false
}
