// Package sts is the sandbox's STS: the caller's identity, and decoded denials.
//
// It imports no other service.
package sts

import (
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

var service = core.NewService("sts", func(r *core.Request) *core.Request { return r }, core.Rules{Denied: core.AccessDenied})

func init() {
	core.Register(service, getCallerIdentity, core.Free)
	core.Register(service, decodeAuthorizationMessage, core.Anything)
}

func getCallerIdentity(r *core.Request, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	return &sts.GetCallerIdentityOutput{
		Account: aws.String(r.AccountID), Arn: aws.String(r.Caller()), UserId: aws.String("AIDASANDBOX"),
	}, nil
}

func decodeAuthorizationMessage(_ *core.Request, in *sts.DecodeAuthorizationMessageInput) (*sts.DecodeAuthorizationMessageOutput, error) {
	b, err := base64.RawURLEncoding.DecodeString(aws.ToString(in.EncodedMessage))
	if err != nil {
		return nil, &types.InvalidAuthorizationMessageException{Message: aws.String("Message is not valid")}
	}
	return &sts.DecodeAuthorizationMessageOutput{DecodedMessage: aws.String(string(b))}, nil
}
