package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
)

// LentNetwork is the own VPC of another environment of the account, in the same region. It is found by
// its tags, and only read. What the environment puts into it keeps the other from deleting it; see
// VPC.CheckDelete.
type LentNetwork struct {
	API  *ec2.Client
	ID   Identity
	From string // the name of the other environment
}

var (
	_ provision.DataSource[NetworkState] = LentNetwork{}
	_ provision.Noter[NetworkState]      = LentNetwork{}
)

// lender is the identity of the other environment.
func (l LentNetwork) lender() Identity {
	return Identity{Env: l.From, Account: l.ID.Account, Region: l.ID.Region, Partition: l.ID.Partition}
}

// Read implements provision.DataSource. Tasks and the agent run where those of the other environment
// do: in its private subnets, if they have a route table that works.
func (l LentNetwork) Read(ctx context.Context) (s NetworkState, err error) {
	if s.VPC, s.Old, err = l.vpc(ctx); err != nil {
		return s, err
	}
	s.Named = true // it is the spec of the other environment that decides
	subnets := Subnets{API: l.API, ID: l.lender(), VPC: provision.Known(VPCState{ID: s.VPC})}
	tables := RouteTables{API: l.API, ID: l.lender(), Name: l.lender().Names().Plain(), VPC: subnets.VPC}
	var have SubnetsState
	var routes RouteTablesState
	err = parallel(ctx,
		func(ctx context.Context) (err error) { have, err = subnets.Read(ctx); return err },
		func(ctx context.Context) (err error) { routes, err = tables.Read(ctx); return err },
	)
	if err != nil && !errors.Is(err, provision.ErrAbsent) {
		return s, err
	}
	s.Subnets = usable(have, routes)
	for _, o := range have.Own {
		s.Ranges = append(s.Ranges, rangesOf([]Subnet{o.Subnet})...)
	}
	if len(s.Subnets) == 0 {
		return s, fmt.Errorf("%s of environment %s has no subnets with a route table yet → run `flowbed up -e %s` first", s.VPC, l.From, l.From)
	}
	slices.SortFunc(s.Subnets, func(a, b Subnet) int { return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.ID, b.ID)) })
	return s, nil
}

// Notes implements provision.Noter.
func (LentNetwork) Notes(have NetworkState) []provision.Note { return have.Refused() }

// usable are the private subnets that the other environment uses, and that have a route table of theirs
// whose way out works, or that has none, or else the public ones.
func usable(have SubnetsState, routes RouteTablesState) []Subnet {
	var private, public []Subnet
	for _, o := range have.Own {
		i := slices.IndexFunc(routes.Tables, func(t RouteTable) bool { return t.ID == routes.Subnets[o.ID].table && !t.Dead })
		if i < 0 || o.Tags[KeyUnused] != "" {
			continue
		}
		o.Closed = routes.Tables[i].Out == ""
		if o.Public = routes.Tables[i].Part == publicTable; o.Public {
			public = append(public, o.Subnet)
		} else {
			private = append(private, o.Subnet)
		}
	}
	if len(private) > 0 {
		return private
	}
	return public
}

// vpc finds the VPC, and one that this environment created.
func (l LentNetwork) vpc(ctx context.Context) (id, old string, err error) {
	all, err := VPC{API: l.API, ID: l.lender()}.find(ctx, filter("tag:"+KeyEnvironment, l.From, l.ID.Env), filter("tag:"+KeyRegion, l.ID.Region))
	if err != nil {
		return "", "", fmt.Errorf("read the VPC of environment %s: %w", l.From, err)
	}
	var ids []string
	for _, s := range all {
		switch s.Tags.Owner().By {
		case l.lender().Owner():
			ids = append(ids, s.ID)
		case l.ID.Owner():
			old = s.ID
		}
	}
	switch len(ids) {
	case 0:
		return "", "", l.none(ctx)
	case 1:
		return ids[0], old, nil
	}
	return "", "", fmt.Errorf("environment %s has more than one VPC: %s → run `flowbed up -e %s`, which deletes one that is empty", l.From, strings.Join(ids, ", "), l.From)
}

// none is the error if there is no such VPC. The groups of an environment tell in which one it is.
func (l LentNetwork) none(ctx context.Context) error {
	out, err := l.API.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: l.lender().ours()})
	if err != nil {
		return fmt.Errorf("read security groups of environment %s: %w", l.From, err)
	}
	i := slices.IndexFunc(out.SecurityGroups, func(g types.SecurityGroup) bool { return ec2Tags(g.Tags).Owner().By == l.lender().Owner() })
	if i >= 0 {
		vpc := deref(out.SecurityGroups[i].VpcId)
		return fmt.Errorf("environment %s has no VPC of its own, it is in %s → set network.vpc to %s instead of network.vpc_from", l.From, vpc, vpc)
	}
	return fmt.Errorf("the VPC of environment %s in %s %w → build that environment first, with vpc = \"new\", or correct network.vpc_from", l.From, l.ID.Region, provision.ErrAbsent)
}

// Permissions are what Read needs.
func (LentNetwork) Permissions() Permissions {
	return Permissions{Read: []Permission{on("*", "ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups")}}
}
