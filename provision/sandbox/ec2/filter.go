package ec2

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// matches reports whether an object passes all filters. values holds the object's
// values by filter name. As in EC2, a filter that this kind of object does not
// have is an error.
func matches(filters []types.Filter, t core.Tags, values map[string][]string) (bool, error) {
	all := true
	for _, f := range filters {
		name := aws.ToString(f.Name)
		have, known := values[name]
		if key, ok := strings.CutPrefix(name, "tag:"); ok {
			if v, ok := t[key]; ok {
				have = []string{v}
			}
		} else if name == "tag-key" {
			have = t.Keys()
		} else if !known {
			return false, core.Fail("InvalidParameterValue", "The filter '%s' is invalid", name)
		}
		all = all && slices.ContainsFunc(have, func(h string) bool {
			return slices.ContainsFunc(f.Values, func(want string) bool { return core.Wild(want, h) })
		})
	}
	return all, nil
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func tagList(t core.Tags) (list []types.Tag) {
	for _, k := range t.Keys() {
		list = append(list, types.Tag{Key: aws.String(k), Value: aws.String(t[k])})
	}
	return list
}

func newTags(have core.Tags, list []types.Tag) (core.Tags, error) {
	add := make([]core.Tag, 0, len(list))
	for _, t := range list {
		add = append(add, core.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)})
	}
	return have.With(add, core.TagRules{Code: "InvalidParameterValue", TooMany: "TagLimitExceeded"})
}

// specified returns the tags for one kind of object from a create call. Every kind
// in specs must be one that the call creates.
func specified(specs []types.TagSpecification, kind types.ResourceType, others ...types.ResourceType) (core.Tags, error) {
	t := core.Tags{}
	for _, s := range specs {
		if s.ResourceType != kind {
			if !slices.Contains(others, s.ResourceType) {
				return nil, core.Fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", s.ResourceType)
			}
			continue
		}
		var err error
		if t, err = newTags(t, s.Tags); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// tagsOf returns a pointer to the tags of the object with an id.
func (d *database) tagsOf(id string) (*core.Tags, error) {
	prefix, _, _ := strings.Cut(id, "-")
	if prefix == "key" {
		for _, k := range d.Keys {
			if k.ID == id {
				return &k.Tags, nil
			}
		}
		return nil, core.Fail("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", id)
	}
	if tags, ok := d.tagged()[prefix]; ok {
		return tags(id)
	}
	return nil, core.Fail("InvalidID", "The ID '%s' is not valid", id)
}

// tagged returns, by the prefix of their ids, what finds the tags of objects.
func (d *database) tagged() map[string]func(id string) (*core.Tags, error) {
	return map[string]func(string) (*core.Tags, error){
		"i":        tagsIn(d.Instances, noInstance, func(o *instance) *core.Tags { return &o.Tags }),
		"sg":       tagsIn(d.Groups, noGroup, func(o *securityGroup) *core.Tags { return &o.Tags }),
		"vol":      tagsIn(d.Volumes, noVolume, func(o *volume) *core.Tags { return &o.Tags }),
		"eni":      tagsIn(d.Interfaces, noInterface, func(o *nic) *core.Tags { return &o.Tags }),
		"vpc":      tagsIn(d.VPCs, noVPC, func(o *vpc) *core.Tags { return &o.Tags }),
		"subnet":   tagsIn(d.Subnets, noSubnet, func(o *subnet) *core.Tags { return &o.Tags }),
		"igw":      tagsIn(d.Gateways, noGateway, func(o *gateway) *core.Tags { return &o.Tags }),
		"eipalloc": tagsIn(d.Addresses, noAddress, func(o *address) *core.Tags { return &o.Tags }),
		"nat":      tagsIn(d.NATs, noNAT, func(o *natGateway) *core.Tags { return &o.Tags }),
		"vpce":     tagsIn(d.Endpoints, noEndpoint, func(o *endpoint) *core.Tags { return &o.Tags }),
		"rtb":      tagsIn(d.Routes, noTable, func(o *routeTable) *core.Tags { return &o.Tags }),
		"acl":      tagsIn(d.ACLs, noACL, func(o *networkACL) *core.Tags { return &o.Tags }),
		"eigw":     tagsIn(d.EgressOnly, noEgressOnly, func(o *gateway) *core.Tags { return &o.Tags }),
		"vgw":      tagsIn(d.VPNs, noVPN, func(o *gateway) *core.Tags { return &o.Tags }),
	}
}

func tagsIn[T any](all map[string]*T, missing func(string) error, of func(*T) *core.Tags) func(string) (*core.Tags, error) {
	return func(id string) (*core.Tags, error) {
		if o := all[id]; o != nil {
			return of(o), nil
		}
		return nil, missing(id)
	}
}
