package main

import (
	"context"
	"net"
)

// mayLeave returns an error if the lease of the present run is over, or the window of a call
// that is under way.
func (a *app) mayLeave() error {
	if f := a.fence.Load(); f != nil {
		return f.Over()
	}
	return nil
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// gated checks every write to the wire. The fence checks each attempt of a call before the
// attempt gets a connection, and a process can be stopped while it opens one.
func gated(dial dialer, mayLeave func() error) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return gate{c, mayLeave}, nil
	}
}

type gate struct {
	net.Conn
	mayLeave func() error
}

func (g gate) Write(b []byte) (int, error) {
	if err := g.mayLeave(); err != nil {
		return 0, err
	}
	return g.Conn.Write(b)
}
