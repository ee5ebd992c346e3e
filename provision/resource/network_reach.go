package resource

import (
	"net/netip"
	"strings"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/reach"
)

// notes warn of what is out of reach of the tasks and the agent.
func (s NetworkState) notes(r reach.Network, needs []reach.Need) []provision.Note {
	notes := s.cutOff()
	for _, n := range s.Reach(r).Notes(needs) {
		if n.Todo == "" {
			notes = append(notes, provision.Note{Text: n.Text})
		} else {
			notes = append(notes, provision.Note{Severity: provision.Warn, Text: n.Text + " → " + n.Todo})
		}
	}
	return notes
}

// Reach completes what the file says of the network with what its subnets tell.
func (s NetworkState) Reach(r reach.Network) reach.Network {
	var closed []string
	for _, n := range s.Subnets {
		if n.Closed || s.CutOff {
			closed = append(closed, n.ID)
		}
	}
	r.VPC = s.VPC
	if len(r.Ranges) == 0 {
		r.Ranges = s.Ranges
	}
	if r.Closed == "" {
		r.Closed = strings.Join(closed, " and ")
	}
	return r
}

// rangesOf are the ranges of all subnets of a VPC. Only in them can its interface endpoints have
// addresses.
func rangesOf(subnets []Subnet) (ranges []netip.Prefix) {
	for _, s := range subnets {
		if p, err := netip.ParsePrefix(s.CIDR); err == nil {
			ranges = append(ranges, p)
		}
	}
	return ranges
}
