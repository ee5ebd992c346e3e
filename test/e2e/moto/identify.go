package moto

import "net/http"

// Identify returns the service and the operation of a request to a front.
func Identify(r *http.Request, body []byte) (service, operation string) { return name(r, body) }

// Reads reports whether an operation changes nothing.
func Reads(operation string) bool { return Call{Operation: operation}.Reads() }
