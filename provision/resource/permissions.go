package resource

import (
	"maps"
	"slices"

	"github.com/flowbed/flowbed/provision"
)

// Kind is a kind of object that says which permissions its calls need. The stack
// takes no other kind.
type Kind[S provision.State] interface {
	provision.Resource[S]
	Permissions() Permissions
}

// Permissions are what the calls of a kind need, by what they are made for. They
// follow from the fields that are known before anything is read: names, and what
// the spec says. A method Permissions stands beside the calls, and a test compares
// what it says with the calls that are made, both ways.
//
// What AWS checks for a call, on which resource and under which condition keys,
// is in its service authorization reference:
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
// A permission names the environment's objects. EC2's objects have no names of
// their own: there the owner tag takes their place. Only reading is allowed on
// everything, and only where AWS knows no narrower form of it.
type Permissions struct {
	Read        []Permission // Read, of a resource or of a data source
	CheckDelete []Permission
	Build       []Permission // Create, the changes, and what explains their failure
	Delete      []Permission
}

// Permission allows some actions on the same resources.
type Permission struct {
	Actions   []string // for example "iam:CreateRole"
	Resources []string // ARNs, perhaps with *
	Condition Condition

	// Implied says why the actions are needed although no call has their name:
	// AWS checks them as a part of another call.
	Implied string

	// Examples are the ARNs of single objects that stand for Resources, if those
	// are patterns: IAM's simulator wants objects.
	Examples []string

	// Composite says that AWS checks the action on objects of several kinds at once.
	// The simulator cannot be asked about one of them.
	Composite bool
}

// Condition narrows a permission: operator → condition key → values.
type Condition map[string]map[string][]string

// The forms in which the kinds write their permissions.

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

// ec2 is the ARN of an object of EC2 in the environment's region, or a pattern.
func (i Identity) ec2(object string) string { return i.ARN("ec2", i.Region, object) }

// tagged allows actions on what carries the owner tag, whatever it is: an action
// is about its own kind of object only, of which like is an example.
func (i Identity) tagged(like string, actions ...string) Permission {
	return on(i.ec2("*"), actions...).when("StringEquals", "aws:ResourceTag/"+KeyEnvironment, i.Env).like(i.ec2(like))
}

// requested allows a call that puts the owner tag on what it makes.
func (i Identity) requested(p Permission) Permission {
	return p.when("StringEquals", "aws:RequestTag/"+KeyEnvironment, i.Env)
}

// tagging allows the tags in a creating call, and those of what is ours.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
func (i Identity) tagging(like, creates string) []Permission {
	return []Permission{
		i.requested(on(i.ec2("*"), "ec2:CreateTags")).when("StringEquals", "ec2:CreateAction", creates).
			implied("EC2 checks it where a creating call carries tags").like(i.ec2(like)),
		i.tagged(like, "ec2:CreateTags", "ec2:DeleteTags"),
	}
}

// passRole lets EC2's instances have a role, and nothing else have it. In China
// EC2 has a name of its own beside the usual one.
func (i Identity) passRole(role string) Permission {
	services := []string{"ec2.amazonaws.com"}
	if i.Partition == "aws-cn" {
		services = append(services, "ec2.amazonaws.com.cn")
	}
	return on(i.ARN("iam", "", "role/"+role), "iam:PassRole").when("StringEquals", "iam:PassedToService", services...).
		implied("IAM checks it where a role is put into an instance profile, EC2 where a profile is given to an instance")
}
