package moto

import "net/http"

// request is a call on its way to moto.
type request struct {
	*http.Request
	body               []byte
	service, operation string
}

// memory is what a front must remember because moto does not.
type memory struct{}

// corrections hold AWS's rules that moto lacks, by service and operation. Each
// passes the call on itself.
var corrections = map[string]func(*Front, request) (answer, error){}

// correct has a call carried out as AWS would.
func (f *Front) correct(r request) (answer, error) {
	if c, ok := corrections[r.service+"."+r.operation]; ok {
		return c(f, r)
	}
	return f.pass(r)
}

// pass has moto carry out the call as it is.
func (f *Front) pass(r request) (answer, error) {
	return f.send(r.Request, r.Method, r.URL.RequestURI(), r.Header, r.body)
}
