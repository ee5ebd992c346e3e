package ec2

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() { core.Register(service, describePrefixLists, core.Anything) }

// rangeList is a prefix list of AWS's own. The sandbox has no others.
type rangeList struct {
	id, name string
	weight   int // as how many rules a security group counts a rule with it
}

// prefixLists returns AWS's lists of a region, with their weights:
// https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html
func prefixLists(region string) (list []rangeList) {
	for name, weight := range map[string]int{
		"com.amazonaws." + region + ".s3":               1,
		"com.amazonaws." + region + ".dynamodb":         1,
		"com.amazonaws.global.cloudfront.origin-facing": 55,
	} {
		id := fixedID("pl", region+name)
		list = append(list, rangeList{id, name, weight})
	}
	slices.SortFunc(list, func(a, b rangeList) int { return strings.Compare(a.id, b.id) })
	return list
}

func noPrefixList(id string) error {
	return core.Fail("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", id)
}

func (r *request) rangeList(id string) (rangeList, error) {
	all := prefixLists(r.Region)
	i := slices.IndexFunc(all, func(l rangeList) bool { return l.id == id })
	if i < 0 {
		return rangeList{}, noPrefixList(id)
	}
	return all[i], nil
}

// describePrefixLists tells no size of AWS's own lists.
func describePrefixLists(r *request, in *ec2.DescribeManagedPrefixListsInput) (*ec2.DescribeManagedPrefixListsOutput, error) {
	for _, id := range in.PrefixListIds {
		if _, err := r.rangeList(id); err != nil {
			return nil, err
		}
	}
	var out []types.ManagedPrefixList
	for _, l := range prefixLists(r.Region) {
		ok, err := matches(in.Filters, core.Tags{}, map[string][]string{
			"owner-id": {"AWS"}, "prefix-list-id": {l.id}, "prefix-list-name": {l.name},
		})
		if err != nil {
			return nil, err
		}
		if ok && (len(in.PrefixListIds) == 0 || slices.Contains(in.PrefixListIds, l.id)) {
			out = append(out, types.ManagedPrefixList{
				PrefixListId: &l.id, PrefixListName: &l.name, OwnerId: aws.String("AWS"), AddressFamily: aws.String("IPv4"),
				State: types.PrefixListStateCreateComplete, PrefixListArn: aws.String("arn:aws:ec2:" + r.Region + ":aws:prefix-list/" + l.id),
			})
		}
	}
	list, next, err := core.Page(out, in.NextToken, in.MaxResults, 100)
	return &ec2.DescribeManagedPrefixListsOutput{PrefixLists: list, NextToken: next}, err
}

// weights returns as how many rules for IPv4 and for IPv6 a group counts some rules: EC2 limits the
// two separately. A rule with a group or a prefix list counts for both.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups
func (r *request) weights(rules []rule) (four, six int) {
	for _, u := range rules {
		switch {
		case u.PrefixList != "":
			if l, err := r.rangeList(u.PrefixList); err == nil {
				four, six = four+l.weight, six+l.weight
			}
		case u.CIDR == "":
			four, six = four+1, six+1
		case strings.Contains(u.CIDR, ":"):
			six++
		default:
			four++
		}
	}
	return four, six
}
