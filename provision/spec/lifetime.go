package spec

import (
	"strings"
	"time"
)

const (
	shortestTTL = 10 * time.Minute // an agent needs some of it to begin
	longestTTL  = 365 * 24 * time.Hour
)

// Lifetime is how long the environment is meant to live; 0 if for as long as
// nobody removes it.
func (e *Environment) Lifetime() time.Duration {
	d, err := time.ParseDuration(e.TTL)
	if err != nil || d%time.Second != 0 {
		return 0
	}
	return d
}

func (d *decoder) checkTTL(e *Environment) {
	if !d.has(&e.TTL) {
		return
	}
	const form = ` Write hours and minutes, for example: ttl = "8h"`
	switch t := e.Lifetime(); {
	case t == 0 || strings.Trim(e.TTL, "0123456789hms") != "":
		d.bad(&e.TTL, "Bad ttl", "%s is no length of time."+form)
	case t < shortestTTL:
		d.bad(&e.TTL, "Bad ttl", "%s is too short: 10 minutes are the least, since the agent needs some to begin.")
	case t > longestTTL:
		d.bad(&e.TTL, "Bad ttl", "%s is too long: 8760h, a year, is the most. Leave ttl out for an environment that stays.")
	}
}
