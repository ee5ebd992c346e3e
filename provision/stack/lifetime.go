package stack

import (
	"time"

	"github.com/flowbed/flowbed/provision/resource"
)

// setLifetime adds the expiry or the protection from deletion to the tags of the
// environment's objects, if the spec has one of them.
func (s *Stack) setLifetime() {
	s.id.Protected = s.env.DeletionProtection
	if ttl := s.env.Lifetime(); ttl > 0 && !s.o.Destroy {
		start := s.o.Start
		if !start.Add(ttl).After(time.Now()) {
			start = time.Now()
		}
		s.id.Life = &resource.Lifetime{TTL: ttl, Start: start, LogTags: func() resource.Tags { return s.nameLog.Seen() }}
	}
}
