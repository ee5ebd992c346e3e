//go:build linux

package hypervisor

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// Forward forwards connections to an address of the host, until the listener is closed.
func Forward(ctx context.Context, l net.Listener, address string) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = from.Close() }()
			var d net.Dialer
			to, err := d.DialContext(ctx, "tcp", address)
			if err != nil {
				return // like a port where nothing listens
			}
			defer func() { _ = to.Close() }()
			var both sync.WaitGroup
			both.Go(func() { hand(to, from) })
			both.Go(func() { hand(from, to) })
			both.Wait()
		}()
	}
}

// hand copies one direction and then closes it.
func hand(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if w, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = w.CloseWrite()
		return
	}
	_ = errors.Join(to.Close(), from.Close()) // the other direction ends, too
}
