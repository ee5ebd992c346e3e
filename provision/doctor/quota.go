package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
)

// serviceRole checks the role that ECS creates for itself.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
func (d *Doctor) serviceRole(ctx context.Context) []Finding {
	const check, name = "service role", "AWSServiceRoleForECS"
	_, err := d.clients.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
	switch {
	case err == nil:
		return []Finding{ok(check, "%s exists", name)}
	case awserr.Classify(err) == awserr.Absent:
		return []Finding{ok(check, "%s does not exist yet: ECS creates it with the first cluster%s", name, d.orService())}
	}
	return []Finding{unseen(check, err)}
}

// orService completes a sentence for an environment with a service.
func (d *Doctor) orService() string {
	if d.Env.Agent != nil && d.Env.Agent.Service != nil {
		return " or service"
	}
	return ""
}

// The most that one environment adds.
const (
	addsRoles    = 3
	addsProfiles = 1
)

const quotaTodo = "delete unused ones, or request an increase (Service Quotas, IAM)"

// entities compares the account's IAM entities with the quotas that IAM reports.
func (d *Doctor) entities(ctx context.Context) []Finding {
	const check = "iam quotas"
	out, err := d.clients.IAM.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	if err != nil {
		return []Finding{unseen(check, err)}
	}
	worst, text, todo := OK, "", ""
	for i, q := range []struct {
		what, key string
		adds      int32
	}{{"roles", "Roles", addsRoles}, {"instance profiles", "InstanceProfiles", addsProfiles}} {
		have, counted := out.SummaryMap[q.key]
		most, limited := out.SummaryMap[q.key+"Quota"]
		if i > 0 {
			text += ", "
		}
		if !counted || !limited {
			text += "cannot tell for " + q.what + ", because IAM does not"
			worst = worse(worst, Warn)
			continue
		}
		text += fmt.Sprintf("%d of %d %s", have, most, q.what)
		switch {
		case have+q.adds > most:
			worst, todo = Fail, quotaTodo
		case have+q.adds > most-most/10:
			worst, todo = worse(worst, Warn), quotaTodo
		}
	}
	return []Finding{{check, worst, text, todo}}
}

// What one environment adds to the account's execution role, at most.
const (
	addsCharacters = 500
	addsTags       = 1
)

// sharedRole tells what is left of IAM's limits in the account's execution role, to which
// each environment that uses it adds a tag and perhaps a policy.
func (d *Doctor) sharedRole(ctx context.Context) []Finding {
	const check = "shared role"
	e := d.Env.ExecutionRole
	if e.Name != spec.AccountExecutionRole || e.Ownership == "external" {
		return nil // nobody else adds to it, or we do not
	}
	used, err := stack.Room(ctx, d.clients.IAM, d.ID)
	switch {
	case errors.Is(err, provision.ErrAbsent):
		return []Finding{ok(check, "%s does not exist yet", e.Name)}
	case err != nil:
		return []Finding{unseen(check, err)}
	}
	inline, tags := max(0, resource.MaxInline-used.Inline), max(0, resource.MaxTags-used.Tags)
	text := fmt.Sprintf("%s has about %d of %d characters left for inline policies, and %d of %d tags",
		e.Name, inline, resource.MaxInline, tags, resource.MaxTags)
	if inline >= addsCharacters && tags >= addsTags {
		return []Finding{ok(check, "%s", text)}
	}
	if e.Ownership == "" {
		return []Finding{ok(check, "%s: a new environment gets a role of its own", text)}
	}
	return []Finding{warn(check, fmt.Sprintf("name another role in the file: execution_role { name = %q }", d.ID.Names().ExecutionRole()), "%s", text)}
}

// firstProcessors is the vCPU quota of many new accounts. Only Service Quotas knows
// the quota of an account.
const firstProcessors = 5

// processors counts the vCPUs of the running instances in the region.
func (d *Doctor) processors(ctx context.Context) []Finding {
	const check = "vcpus"
	count := map[string]int32{}
	pages := ec2.NewDescribeInstancesPaginator(d.clients.EC2, &ec2.DescribeInstancesInput{
		Filters: []types.Filter{filter("instance-state-name", "pending", "running")},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return []Finding{unseen(check, err)}
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				if standard(string(i.InstanceType)) {
					count[string(i.InstanceType)]++
				}
			}
		}
	}
	used, err := d.sum(ctx, count)
	if err != nil {
		return []Finding{unseen(check, err)}
	}
	adds, err := d.sum(ctx, map[string]int32{d.Env.Agent.InstanceType: 1})
	if err != nil {
		adds = 2 // the type is not available, which another check reports
	}
	const where = "Service Quotas, EC2, L-1216C47A"
	if used+adds > firstProcessors {
		return []Finding{warn(check, "see "+where,
			"cannot tell: standard instances use %d, the agent needs %d, and some accounts have a quota of only %d", used, adds, firstProcessors)}
	}
	return []Finding{ok(check, "standard instances use %d, and the agent needs %d; the account's quota is in %s", used, adds, where)}
}

// standard reports whether a type counts toward the quota of standard instances.
func standard(name string) bool {
	return name != "" && strings.ContainsRune("acdhimrtz", rune(name[0])) && !strings.HasPrefix(name, "inf") &&
		!strings.HasPrefix(name, "dl") && !strings.HasPrefix(name, "hpc") && !strings.HasPrefix(name, "trn")
}

func (d *Doctor) sum(ctx context.Context, count map[string]int32) (n int32, err error) {
	if len(count) == 0 {
		return 0, nil
	}
	in := &ec2.DescribeInstanceTypesInput{}
	for name := range count {
		in.InstanceTypes = append(in.InstanceTypes, types.InstanceType(name))
	}
	out, err := d.clients.EC2.DescribeInstanceTypes(ctx, in)
	if err != nil {
		return 0, err
	}
	unknown := maps.Clone(count)
	for _, t := range out.InstanceTypes {
		if cpu := t.VCpuInfo; cpu != nil && cpu.DefaultVCpus != nil {
			n += count[string(t.InstanceType)] * aws.ToInt32(cpu.DefaultVCpus)
			delete(unknown, string(t.InstanceType))
		}
	}
	if len(unknown) > 0 {
		return 0, fmt.Errorf("EC2 does not say how many vCPUs %s has", slices.Min(slices.Collect(maps.Keys(unknown))))
	}
	return n, nil
}
