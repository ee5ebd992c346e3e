package stack

import (
	"time"

	"github.com/flowbed/flowbed/provision/resource"
)

// limitLife lets the environment's objects say when it expires, if it does.
func (s *Stack) limitLife() {
	if ttl := s.env.Lifetime(); ttl > 0 && !s.o.Destroy {
		s.id.Life = &resource.Lifetime{TTL: ttl, Start: time.Now(), LogTags: func() resource.Tags { return s.nameLog.Seen() }}
	}
}
