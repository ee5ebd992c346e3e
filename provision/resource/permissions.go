package resource

import (
	"maps"
	"slices"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/cost"
)

// Kind is a kind of object that declares its permissions and its costs. The stack accepts
// only such kinds.
type Kind[S provision.State] interface {
	provision.Resource[S]
	Permissions() Permissions

	// Costs is what the object, as it should be, uses all the time and AWS bills by the hour
	// or the month; nil if that is nothing. The stack calls it after the steps are read, so
	// it may ask other steps for their states. What Discover finds has the same in
	// Found.Costs, as it is.
	Costs() []cost.Usage
}

// Permissions are what the calls of a kind need, by method. They follow from fields that
// are known before the first reading: names and values from the spec. Each kind declares
// them beside its calls. A test fails if a call lacks a permission, or if a permission has
// no call.
//
// The service authorization reference lists what AWS checks for a call, on which resource
// and with which condition keys:
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
// A permission names the environment's objects. EC2's objects have no names, so their
// permissions require the owner tag. Only permissions to read allow all resources, and
// only if AWS offers no narrower scope.
type Permissions struct {
	Read        []Permission // for Read of a resource or a data source
	CheckDelete []Permission
	Build       []Permission // for Create, the changes, and Explain
	Delete      []Permission
}

// Permission allows actions on resources.
type Permission struct {
	Actions   []string // for example "iam:CreateRole"
	Resources []string // ARNs, possibly with *
	Condition Condition

	// Implied tells why the actions are needed although no call has their names: AWS
	// checks them as part of another call.
	Implied string

	// Examples are ARNs of single objects that match Resources, if those are patterns:
	// IAM's policy simulator does not accept patterns.
	Examples []string

	// Composite means that AWS checks the action on objects of several kinds in one call.
	// IAM's policy simulator cannot evaluate that.
	Composite bool
}

// Condition limits a permission: operator → condition key → values.
type Condition map[string]map[string][]string

// The functions with which the kinds write their permissions.

func on(resource string, actions ...string) Permission {
	return Permission{Actions: actions, Resources: []string{resource}}
}

func (p Permission) and(resources ...string) Permission {
	p.Resources = slices.Concat(p.Resources, resources)
	return p
}

func (p Permission) when(operator, key string, values ...string) Permission {
	c := Condition{}
	for op, keys := range p.Condition {
		c[op] = maps.Clone(keys)
	}
	if c[operator] == nil {
		c[operator] = map[string][]string{}
	}
	c[operator][key] = values
	p.Condition = c
	return p
}

func (p Permission) implied(why string) Permission {
	p.Implied = why
	return p
}

func (p Permission) like(examples ...string) Permission {
	p.Examples = examples
	return p
}

func (p Permission) composite() Permission {
	p.Composite = true
	return p
}

// ec2 is the ARN, or a pattern, of an EC2 object in the environment's region.
func (i Identity) ec2(object string) string { return i.ARN("ec2", i.Region, object) }

// tagged allows actions on all EC2 objects with the owner tag. The kind of object follows
// from the action; example is one object of that kind.
func (i Identity) tagged(example string, actions ...string) Permission {
	return on(i.ec2("*"), actions...).when("StringEquals", "aws:ResourceTag/"+KeyEnvironment, i.Env).like(i.ec2(example))
}

// requested limits a permission to calls that put the owner tag on the new object.
func (i Identity) requested(p Permission) Permission {
	return p.when("StringEquals", "aws:RequestTag/"+KeyEnvironment, i.Env)
}

// tagging allows tags in the call that creates an object, and changes of the tags of our
// own objects.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
func (i Identity) tagging(example, creates string) []Permission {
	return []Permission{
		i.requested(on(i.ec2("*"), "ec2:CreateTags")).when("StringEquals", "ec2:CreateAction", creates).
			implied("EC2 checks it if the call that creates the resource has tags").like(i.ec2(example)),
		i.tagged(example, "ec2:CreateTags", "ec2:DeleteTags"),
	}
}

// passRole allows passing a role, given the ARNs that it may have, to EC2 instances only. In China, EC2 also has
// another service name.
func (i Identity) passRole(arn string, more ...string) Permission {
	services := []string{"ec2.amazonaws.com"}
	if i.Partition == "aws-cn" {
		services = append(services, "ec2.amazonaws.com.cn")
	}
	return on(arn, "iam:PassRole").and(more...).when("StringEquals", "iam:PassedToService", services...).
		implied("IAM checks it when a role is added to an instance profile, EC2 when an instance gets a profile")
}
