package awserr

import (
	"errors"
	"io/fs"
	"net"
	"os"
)

// ofNetwork reports whether err is about a connection. What went wrong with a
// file of this machine has the same methods as an error of package net.
func ofNetwork(err error) bool {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*os.LinkError](err); ok {
		return false
	}
	_, ok := errors.AsType[net.Error](err)
	return ok
}

// unknownHost reports whether a name could not be found: without a network, or
// of a region that does not exist.
func unknownHost(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}
