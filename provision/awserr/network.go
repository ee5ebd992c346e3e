package awserr

import (
	"errors"
	"io/fs"
	"net"
	"os"
)

// ofNetwork reports whether err is about a connection. It excludes errors about files,
// which have the same methods as the errors of package net.
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

// unknownHost reports whether DNS did not find a host: there is no network, or the
// region does not exist.
func unknownHost(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}
