package iam

// AWSPolicies are the managed policies of AWS that there are.
var AWSPolicies = awsPolicies
