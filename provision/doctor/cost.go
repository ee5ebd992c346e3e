package doctor

import (
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/stack"
)

// Cost estimates what the environment costs a month, after up; nil if it cannot be built. Call it
// after Look, which has read the network.
func (d *Doctor) Cost() *cost.Estimate {
	network, err := d.network()
	known := &network
	if err != nil {
		known = nil
	}
	e, err := stack.Cost(d.Env, d.ID, known)
	if err != nil {
		return nil
	}
	return &e
}
