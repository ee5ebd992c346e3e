package core

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Access is one thing that the caller must be allowed for a call: AWS may look
// at several resources, and at several actions.
type Access struct {
	Action, Resource string
	Context          map[string][]string // condition keys in lower case → values
}

// The condition keys of tags begin so.
const (
	RequestTag  = "aws:RequestTag"
	ResourceTag = "aws:ResourceTag"
)

// Anything is the authorization of a call that AWS checks for no resource in
// particular, as most calls that list.
func Anything[R, I any](_ R, a Access, _ *I) []Access { return []Access{a} }

// Free is the authorization of a call to which everybody is entitled.
func Free[R, I any](R, Access, *I) []Access { return nil }

// Text is a member of a request that is a text; empty if it is not given. It
// panics if the request has no such member.
func Text(in any, member string) string {
	p, ok := reflect.ValueOf(in).Elem().FieldByName(member).Interface().(*string)
	if !ok {
		panic(fmt.Sprintf("%T.%s is no text", in, member))
	}
	return aws.ToString(p)
}

// To is the same access to each of some resources.
func (a Access) To(resources ...string) []Access {
	all := make([]Access, len(resources))
	for i, resource := range resources {
		all[i] = a.WithResource(resource)
	}
	return all
}

// WithAction is the same access under another action.
func (a Access) WithAction(action string) Access {
	a.Action = action
	return a
}

// WithResource is the same access to another resource.
func (a Access) WithResource(resource string) Access {
	a.Resource = resource
	return a
}

// WithContext is the same access with one more condition key.
func (a Access) WithContext(key string, values ...string) Access {
	c := map[string][]string{strings.ToLower(key): values}
	for k, v := range a.Context {
		if _, ok := c[k]; !ok {
			c[k] = v
		}
	}
	a.Context = c
	return a
}

// WithTags is the same access with tags among the condition keys: those of the
// request (RequestTag), or of the resource (ResourceTag).
func (a Access) WithTags(kind string, t Tags) Access {
	for k, v := range t {
		a = a.WithContext(kind+"/"+k, v)
	}
	return a
}
