package sandbox

import (
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
)

func init() {
	on(func(r *request, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
		return &sts.GetCallerIdentityOutput{
			Account: aws.String(r.Account),
			Arn:     aws.String(r.caller()),
			UserId:  aws.String("AIDASANDBOX"),
		}, nil
	})
	on(func(_ *request, in *sts.DecodeAuthorizationMessageInput) (*sts.DecodeAuthorizationMessageOutput, error) {
		b, err := base64.RawURLEncoding.DecodeString(aws.ToString(in.EncodedMessage))
		if err != nil {
			return nil, &types.InvalidAuthorizationMessageException{Message: aws.String("Message is not valid")}
		}
		return &sts.DecodeAuthorizationMessageOutput{DecodedMessage: aws.String(string(b))}, nil
	})
}
