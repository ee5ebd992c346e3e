package sts_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

func TestIdentity(t *testing.T) {
	for region, want := range map[string]string{
		"eu-north-1": "arn:aws:iam::123456789012:user/sandbox",
		"cn-north-1": "arn:aws-cn:iam::123456789012:user/sandbox",
	} {
		out := try.Must(sts.NewFromConfig(sandbox.New().Config(region)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))
		if *out.Arn != want || *out.Account != sandbox.DefaultAccount {
			t.Errorf("%s: have %s in %s, want %s", region, *out.Arn, *out.Account, want)
		}
	}
}

func TestEncodedMessageIsDecoded(t *testing.T) {
	ctx, account := context.Background(), sandbox.New()
	account.Policy = try.Policy(`"Effect":"Allow","Action":"sts:*","Resource":"*"`)
	cfg := account.Config("eu-central-1")
	_, err := ec2.NewFromConfig(cfg).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	_, message, ok := strings.Cut(err.Error(), "Encoded authorization failure message: ")
	if !ok {
		t.Fatal(err)
	}
	out, err := sts.NewFromConfig(cfg).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &message})
	if err != nil || !strings.Contains(*out.DecodedMessage, `"action":"ec2:DescribeVpcs"`) {
		t.Errorf("decode the message: have %v, %v, want the denied action", out, err)
	}
	if _, err := sts.NewFromConfig(cfg).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("?")}); err == nil {
		t.Error("decoding an invalid message succeeded, want an error")
	}
}
