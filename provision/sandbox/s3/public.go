package s3

import (
	"strings"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// public reports whether Block Public Access considers a bucket policy public. A
// statement for everybody is not public if a condition limits who the caller can be.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
func public(p core.Policy) bool {
	for _, s := range p.Statement {
		if s.Effect != "Allow" {
			continue
		}
		if s.NotPrincipal != nil && !fixed(s) {
			return true
		}
		if s.Principal == nil {
			continue
		}
		for _, names := range *s.Principal {
			for _, n := range names {
				if n == "*" && !fixed(s) {
					return true
				}
			}
		}
	}
	return false
}

var fixing = map[string]bool{
	"aws:sourceip": true, "aws:sourcearn": true, "aws:sourcevpc": true, "aws:sourcevpce": true,
	"aws:sourceowner": true, "aws:sourceaccount": true, "aws:userid": true, "aws:principalorgid": true,
	"aws:principalarn": true, "aws:principalaccount": true, "s3:dataaccesspointarn": true,
}

func fixed(s core.Statement) bool {
	for operator, keys := range s.Condition {
		if strings.Contains(operator, "Not") || strings.HasSuffix(operator, "IfExists") {
			continue
		}
		for k := range keys {
			if fixing[strings.ToLower(k)] {
				return true
			}
		}
	}
	return false
}
