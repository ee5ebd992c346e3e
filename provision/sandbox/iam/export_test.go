package iam

// AWSPolicies lists the AWS managed policies that the sandbox has.
var AWSPolicies = awsPolicies
