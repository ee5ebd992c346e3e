package spec

import (
	"strings"
	"time"
)

const (
	shortestTTL = 10 * time.Minute // an agent needs some of it to start
	longestTTL  = 365 * 24 * time.Hour
)

// Lifetime is how long the environment may live. 0 means that it stays until
// somebody removes it.
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
	if e.DeletionProtection {
		d.errorAt(d.given[&e.DeletionProtection].attr.NameRange, "deletion_protection with a ttl",
			"The environment cannot both expire and be protected from deletion. → remove one of them; if it comes from the defaults, set it to null here")
	}
	const form = ` → use hours and minutes, for example: ttl = "8h"`
	switch t := e.Lifetime(); {
	case t == 0 || strings.Trim(e.TTL, "0123456789hms") != "":
		d.bad(&e.TTL, "Invalid ttl", "%s is not a duration."+form)
	case t < shortestTTL:
		d.bad(&e.TTL, "Invalid ttl", "%s is too short. → use at least 10 minutes: the agent needs some time to start")
	case t > longestTTL:
		d.bad(&e.TTL, "Invalid ttl", "%s is too long. → use at most 8760h, which is one year; for an environment that stays, leave ttl out")
	}
}
