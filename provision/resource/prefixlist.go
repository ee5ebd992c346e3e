package resource

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
)

// S3Addresses finds AWS's prefix list with the addresses of S3 in the region: a rule of a security
// group can refer to it, whether or not the VPC has a gateway endpoint for S3.
// https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html
type S3Addresses struct {
	API *ec2.Client
	ID  Identity
}

// S3AddressesState is the prefix list.
type S3AddressesState struct {
	List string // its id
}

var _ provision.DataSource[S3AddressesState] = S3Addresses{}

// Read implements provision.DataSource. Nobody else's list can have a name that begins like AWS's.
func (a S3Addresses) Read(ctx context.Context) (s S3AddressesState, err error) {
	name := "com.amazonaws." + a.ID.Region + ".s3"
	pages := ec2.NewDescribeManagedPrefixListsPaginator(a.API, &ec2.DescribeManagedPrefixListsInput{
		Filters: []types.Filter{filter("owner-id", "AWS"), filter("prefix-list-name", name)},
	})
	err = eachPage(ctx, pages, func(page *ec2.DescribeManagedPrefixListsOutput) {
		for _, l := range page.PrefixLists {
			s.List = deref(l.PrefixListId)
		}
	})
	if err != nil {
		return s, fmt.Errorf("read prefix list %s: %w", name, err)
	}
	if s.List == "" {
		return s, fmt.Errorf("prefix list %s %w → remove the egress block, or build in a region in which S3 has a prefix list", name, provision.ErrAbsent)
	}
	return s, nil
}

// Permissions are what Read needs.
func (S3Addresses) Permissions() Permissions {
	return Permissions{Read: []Permission{on("*", "ec2:DescribeManagedPrefixLists")}}
}
