package awserr_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/flowbed/flowbed/provision/awserr"
)

// A full disk is no network that is down: nothing gets better by trying again.
func TestErrorsOfFilesAreNotOfTheNetwork(t *testing.T) {
	for _, err := range []error{
		&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC},
		&os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EACCES},
	} {
		err = fmt.Errorf("save: %w", err)
		if have := awserr.Classify(err); have != awserr.Unknown {
			t.Errorf("%v: class %d", err, have)
		}
		if have := awserr.Hint(err); have != "" {
			t.Errorf("%v: hint %q", err, have)
		}
	}
}

func TestHintsOfTheNetwork(t *testing.T) {
	refused := &url.Error{Op: "Post", URL: "https://x", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	if have := awserr.Hint(refused); !strings.Contains(have, "network connection") {
		t.Errorf("refused: %q", have)
	}
	unknown := &url.Error{Op: "Post", URL: "https://x", Err: &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}}
	if have := awserr.Hint(unknown); !strings.Contains(have, "name of the region") || awserr.Classify(unknown) != awserr.Unknown {
		t.Errorf("no such host: %q", have)
	}
}
