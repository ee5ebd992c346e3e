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

// home is the region that every account of a partition has.
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

// Who asks who is calling, and fills that into the identity. pin is the account
// that the file demands, or empty. If the finding is a failure, nothing else can
// be looked at.
//
// A region that is off answers as if the credentials were wrong, so it is asked
// elsewhere, too.
func Who(ctx context.Context, cfg aws.Config, id resource.Identity, pin string) (resource.Identity, string, Finding) {
	const check = "caller"
	few := func(o *sts.Options) { o.RetryMaxAttempts = 3 }
	in := &sts.GetCallerIdentityInput{}
	out, err := sts.NewFromConfig(cfg, few).GetCallerIdentity(ctx, in)
	if awserr.Classify(err) == awserr.Credentials && home(cfg.Region) != cfg.Region {
		if _, elsewhere := sts.NewFromConfig(at(cfg, home(cfg.Region)), few).GetCallerIdentity(ctx, in); elsewhere == nil {
			return id, "", fail("region", enable(cfg.Region),
				"%s does not accept the credentials, and %s does: the region is not enabled in the account", cfg.Region, home(cfg.Region))
		}
	}
	if awserr.Code(err) == "" && awserr.Classify(err) == awserr.Credentials {
		return id, "", fail(check, awserr.Hint(err), "there are no AWS credentials, or they cannot be read")
	}
	if err != nil {
		return id, "", fail(check, awserr.Hint(err), "AWS does not say who is calling: %s", said(err))
	}
	caller, err := arn.Parse(aws.ToString(out.Arn))
	if err != nil {
		return id, "", fail(check, "", "the caller %q has no ARN", aws.ToString(out.Arn))
	}
	id.Account, id.Partition = aws.ToString(out.Account), caller.Partition
	switch {
	case pin != "" && pin != id.Account:
		return id, caller.String(), fail(check, "use another profile (--profile, AWS_PROFILE), or correct account in the file",
			"the credentials are for account %s, and the environment is pinned to %s", id.Account, pin)
	case caller.Resource == "root":
		return id, caller.String(), warn(check, "use a role or a user with `flowbed policy --for up`",
			"the root user of account %s, whom nothing limits", id.Account)
	}
	return id, caller.String(), ok(check, "%s in account %s", caller, id.Account)
}

func enable(region string) string {
	return "aws account enable-region --region-name " + region + " (it takes minutes to hours), or choose another region"
}

// runTime is how long an up may take: ten minutes for the worker, and what is
// built before.
const runTime = 15 * time.Minute

func (d *Doctor) credentials(ctx context.Context) []Finding {
	const check = "credentials"
	if d.Config.Credentials == nil {
		return []Finding{warn(check, "", "cannot tell how long they last")}
	}
	c, err := d.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return []Finding{fail(check, awserr.Hint(err), "%s", said(err))}
	}
	ends, known := c.Expires, c.CanExpire
	if t, err := time.Parse(time.RFC3339, d.Getenv("AWS_CREDENTIAL_EXPIRATION")); err == nil && strings.Contains(c.Source, "Env") {
		ends, known = t, true // what wrote the variables into the environment says so
	}
	left := time.Until(ends).Round(time.Second)
	switch {
	case !known && c.SessionToken != "":
		return []Finding{warn(check, "if up takes longer than they last, log in again and run it again: it goes on",
			"temporary, and nothing says until when")}
	case !known:
		return []Finding{ok(check, "they do not expire")}
	case left < runTime:
		return []Finding{warn(check, "log in again before up, unless they renew themselves",
			"they end in %s, and up may take %s", max(left, 0), runTime)}
	}
	return []Finding{ok(check, "they last %s more, or renew themselves", left.Round(time.Minute))}
}

func (d *Doctor) region(ctx context.Context) []Finding {
	const check = "region"
	name := d.ID.Region
	api := ec2.NewFromConfig(at(d.Config, home(name)))
	out, err := api.DescribeRegions(ctx, &ec2.DescribeRegionsInput{AllRegions: aws.Bool(true), RegionNames: []string{name}})
	switch {
	case awserr.Classify(err) == awserr.Invalid || err == nil && len(out.Regions) == 0:
		return []Finding{fail(check, "correct region in the file", "AWS has no region %s", name)}
	case err != nil:
		return []Finding{unseen(check, err)}
	}
	if s := aws.ToString(out.Regions[0].OptInStatus); s == "not-opted-in" {
		return []Finding{fail(check, enable(name), "%s is not enabled in the account", name)}
	}
	return []Finding{ok(check, "%s is enabled", name)}
}
