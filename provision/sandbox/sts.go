package sandbox

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func init() {
	on(func(r *request, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
		return &sts.GetCallerIdentityOutput{
			Account: aws.String(r.Account),
			Arn:     aws.String(r.arn("iam", "", "user/sandbox")),
			UserId:  aws.String("AIDASANDBOX"),
		}, nil
	})
}
