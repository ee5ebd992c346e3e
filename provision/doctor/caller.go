package doctor

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
)

// home is the region that is enabled in every account of a partition.
func home(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "cn-north-1"
	case strings.HasPrefix(region, "us-gov-"):
		return "us-gov-west-1"
	}
	return "us-east-1"
}

func at(cfg aws.Config, region string) aws.Config {
	cfg = cfg.Copy()
	cfg.Region = region
	return cfg
}

// Who asks AWS for the caller and adds the account to the identity. pin is the account
// that the file requires, or empty. If the finding is a failure, no other check can
// run.
//
// A region that is not enabled answers as if the credentials were wrong. So Who asks
// another region, too.
func Who(ctx context.Context, cfg aws.Config, id resource.Identity, pin string) (resource.Identity, string, Finding) {
	const check = "caller"
	few := func(o *sts.Options) { o.RetryMaxAttempts = 3 }
	in := &sts.GetCallerIdentityInput{}
	out, err := sts.NewFromConfig(cfg, few).GetCallerIdentity(ctx, in)
	if awserr.Classify(err) == awserr.Credentials && home(cfg.Region) != cfg.Region {
		if _, elsewhere := sts.NewFromConfig(at(cfg, home(cfg.Region)), few).GetCallerIdentity(ctx, in); elsewhere == nil {
			return id, "", fail("region", enable(cfg.Region),
				"%s does not accept the credentials, but %s does: the region is not enabled in the account", cfg.Region, home(cfg.Region))
		}
	}
	if awserr.Code(err) == "" && awserr.Classify(err) == awserr.Credentials {
		return id, "", fail(check, awserr.Hint(err), "no AWS credentials, or they cannot be read")
	}
	if err != nil {
		return id, "", fail(check, awserr.Hint(err), "cannot find out which AWS identity you are using: %s", said(err))
	}
	caller, err := arn.Parse(aws.ToString(out.Arn))
	if err != nil {
		return id, "", fail(check, "", "the caller %q is not an ARN", aws.ToString(out.Arn))
	}
	id.Account, id.Partition = aws.ToString(out.Account), caller.Partition
	switch {
	case pin != "" && pin != id.Account:
		return id, caller.String(), fail(check, "use another profile (--profile, AWS_PROFILE), or correct account in the file",
			"the credentials belong to account %s, but the environment is pinned to %s", id.Account, pin)
	case caller.Resource == "root":
		return id, caller.String(), warn(check, "use a role or a user with the policy from `flowbed policy --for up`",
			"the root user of account %s, which has every permission", id.Account)
	}
	return id, caller.String(), ok(check, "%s in account %s", caller, id.Account)
}

func enable(region string) string {
	return "aws account enable-region --region-name " + region + " (takes minutes to hours), or choose another region"
}

// runTime is how long up can take: ten minutes for the worker, and five for the rest.
const runTime = 15 * time.Minute

func (d *Doctor) credentials(ctx context.Context) []Finding {
	const check = "credentials"
	if d.Config.Credentials == nil {
		return []Finding{warn(check, "", "cannot tell when they expire")}
	}
	c, err := d.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return []Finding{fail(check, awserr.Hint(err), "%s", said(err))}
	}
	ends, known := c.Expires, c.CanExpire
	if t, err := time.Parse(time.RFC3339, d.Getenv("AWS_CREDENTIAL_EXPIRATION")); err == nil && strings.Contains(c.Source, "Env") {
		ends, known = t, true // the tool that set the variables set this one, too
	}
	left := time.Until(ends).Round(time.Second)
	switch {
	case !known && c.SessionToken != "":
		return []Finding{warn(check, "if they expire during up, log in and run up again to continue",
			"temporary, with an unknown expiration")}
	case !known:
		return []Finding{ok(check, "they do not expire")}
	case left < runTime:
		return []Finding{warn(check, "log in again before up, unless they renew automatically",
			"they expire in %s, and up can take %s", max(left, 0), runTime)}
	}
	return []Finding{ok(check, "they expire in %s, or renew automatically", left.Round(time.Minute))}
}

func (d *Doctor) region(ctx context.Context) []Finding {
	const check = "region"
	name := d.ID.Region
	api := ec2.NewFromConfig(at(d.Config, home(name)))
	out, err := api.DescribeRegions(ctx, &ec2.DescribeRegionsInput{AllRegions: aws.Bool(true), RegionNames: []string{name}})
	switch {
	case awserr.Classify(err) == awserr.Invalid || err == nil && len(out.Regions) == 0:
		return []Finding{fail(check, "correct region in the file", "there is no AWS region %s", name)}
	case err != nil:
		return []Finding{unseen(check, err)}
	}
	switch status := aws.ToString(out.Regions[0].OptInStatus); status {
	case "not-opted-in":
		return []Finding{fail(check, enable(name), "%s is not enabled in the account", name)}
	case "":
		return []Finding{warn(check, "", "cannot tell: EC2 does not say whether %s is enabled", name)}
	}
	return []Finding{ok(check, "%s is enabled", name)}
}
