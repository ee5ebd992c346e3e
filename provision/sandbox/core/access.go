package core

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Access is one permission that a call needs: an action on a resource. A call may
// need several.
type Access struct {
	Action, Resource string
	Context          map[string][]string // condition keys in lower case → values

	// KeyPolicy is the policy of the KMS key that is the resource; nil if the resource is none.
	// A key's policy must allow an access even within its account; see JudgeKey.
	KeyPolicy *string
}

// The prefixes of the condition keys for tags.
const (
	RequestTag  = "aws:RequestTag"
	ResourceTag = "aws:ResourceTag"
)

// Anything is the authorization of a call that AWS does not check against a
// specific resource, such as most list calls.
func Anything[R, I any](_ R, a Access, _ *I) []Access { return []Access{a} }

// Free is the authorization of a call that needs no permission.
func Free[R, I any](R, Access, *I) []Access { return nil }

// Text returns a string member of a request, or "" if the member is nil. It panics
// if the request has no such member.
func Text(in any, member string) string {
	p, ok := reflect.ValueOf(in).Elem().FieldByName(member).Interface().(*string)
	if !ok {
		panic(fmt.Sprintf("%T.%s is not a string", in, member))
	}
	return aws.ToString(p)
}

// To returns the access once for each resource.
func (a Access) To(resources ...string) []Access {
	all := make([]Access, len(resources))
	for i, resource := range resources {
		all[i] = a.WithResource(resource)
	}
	return all
}

// WithAction returns the access with another action.
func (a Access) WithAction(action string) Access {
	a.Action = action
	return a
}

// WithResource returns the access with another resource.
func (a Access) WithResource(resource string) Access {
	a.Resource = resource
	return a
}

// WithContext returns the access with one more condition key.
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

// WithTags returns the access with condition keys for tags: those of the request
// (RequestTag) or of the resource (ResourceTag).
func (a Access) WithTags(kind string, t Tags) Access {
	for k, v := range t {
		a = a.WithContext(kind+"/"+k, v)
	}
	return a
}
