package ec2_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/sandbox"
)

func TestRegions(t *testing.T) {
	ctx, account := context.Background(), sandbox.New()
	account.Off = []string{"eu-south-1"}
	home := ec2.NewFromConfig(account.Config("us-east-1"))
	out, err := home.DescribeRegions(ctx, &ec2.DescribeRegionsInput{AllRegions: aws.Bool(true), RegionNames: []string{"eu-south-1", "eu-central-1", "af-south-1"}})
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, r := range out.Regions {
		have[*r.RegionName] = *r.OptInStatus
	}
	for region, want := range map[string]string{"eu-south-1": "not-opted-in", "eu-central-1": "opt-in-not-required", "af-south-1": "opted-in"} {
		if have[region] != want {
			t.Errorf("%s is %q, want %q", region, have[region], want)
		}
	}
	if out, err := home.DescribeRegions(ctx, &ec2.DescribeRegionsInput{RegionNames: []string{"eu-south-1"}}); err != nil || len(out.Regions) > 0 {
		t.Errorf("have %v, %v, want no region that is off", out, err)
	}
	_, err = ec2.NewFromConfig(account.Config("eu-south-1")).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if api, _ := errors.AsType[smithy.APIError](err); api == nil || api.ErrorCode() != "AuthFailure" {
		t.Errorf("a call to a region that is off: have %v, want AuthFailure", err)
	}
}
