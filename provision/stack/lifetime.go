package stack

import (
	"time"

	"github.com/flowbed/flowbed/provision/resource"
)

// limitLife lets the environment's objects say when it expires, if it does.
func (s *Stack) limitLife() {
	if ttl := s.env.Lifetime(); ttl > 0 && !s.o.Removal {
		s.id.Life = &resource.Lifetime{TTL: ttl, Start: time.Now(), Anchor: s.anchor}
	}
}

// anchor is the tags of the log group, the one object of the environment whose
// name never changes; nil if there is none of ours, as far as is known.
func (s *Stack) anchor() resource.Tags {
	have, ok := s.logs.Get()
	if !ok || have.Owner().By != s.id.Owner() {
		return nil
	}
	return have.Tags
}
