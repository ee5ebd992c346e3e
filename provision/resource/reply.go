package resource

import "fmt"

// incomplete is the error for a reply that AWS says is a success, and that lacks what AWS
// promises.
func incomplete(what string) error {
	return fmt.Errorf("AWS reported success, but its reply has no %s → try again; if this keeps happening, check for a proxy that alters replies", what)
}
