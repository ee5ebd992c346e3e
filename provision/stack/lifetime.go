package stack

import (
	"time"

	"github.com/flowbed/flowbed/provision/resource"
)

// setLifetime adds the expiry to the tags of the environment's objects, if the spec has
// a ttl.
func (s *Stack) setLifetime() {
	if ttl := s.env.Lifetime(); ttl > 0 && !s.o.Destroy {
		s.id.Life = &resource.Lifetime{TTL: ttl, Start: time.Now(), LogTags: func() resource.Tags { return s.nameLog.Seen() }}
	}
}
