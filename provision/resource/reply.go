package resource

import "fmt"

// incomplete is the error for a reply that AWS says is a success, and that lacks what AWS
// promises.
func incomplete(what string) error {
	return fmt.Errorf("the reply from AWS is a success, but has no %s in it → try again; if it goes on, look for a proxy between flowbed and AWS that changes replies", what)
}
