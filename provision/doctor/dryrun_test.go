package doctor_test

import (
	"context"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision/doctor"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// probes are the calls that the doctor makes as dry runs.
var probes = []string{"CreateSecurityGroup", "ImportKeyPair", "RunInstances"}

// meddle changes what calls send, before they reach the account.
func (c *clinic) meddle(change func(operation string, in any)) {
	before := c.config
	c.config = func(cfg *aws.Config) {
		if before != nil {
			before(cfg)
		}
		cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(s *middleware.Stack) error {
			return s.Initialize.Add(middleware.InitializeMiddlewareFunc("test:meddle",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					change(middleware.GetOperationName(ctx), in.Parameters)
					return next.HandleInitialize(ctx, in)
				}), middleware.Before)
		})
	}
}

// ignoring makes the account carry out the dry runs of one operation, as emulators do.
func (c *clinic) ignoring(operation string) {
	c.meddle(func(op string, in any) {
		if op == operation {
			reflect.ValueOf(in).Elem().FieldByName("DryRun").Set(reflect.ValueOf(aws.Bool(false)))
		}
	})
}

func (c *clinic) dryRun() doctor.Finding {
	c.Helper()
	for _, f := range c.look() {
		if f.Check == "ec2 dry run" {
			return f
		}
	}
	c.Fatal("there was no dry run")
	return doctor.Finding{}
}

// TestDryRunCarriedOut: a dry run that has an effect is an alarm, the only such effect, and
// nothing of the environment's.
func TestDryRunCarriedOut(t *testing.T) {
	for _, test := range []struct{ operation, object, remove string }{
		{"CreateSecurityGroup", `the security group (sg-[0-9a-f]+)`, "aws ec2 delete-security-group --group-id ID --region eu-central-1"},
		{"ImportKeyPair", `the key pair (key-[0-9a-f]+)`, "aws ec2 delete-key-pair --key-pair-id ID --region eu-central-1"},
		{"RunInstances", `the instance (i-[0-9a-f]+)`, "aws ec2 terminate-instances --instance-ids ID --region eu-central-1"},
	} {
		t.Run(test.operation, func(t *testing.T) {
			c := newClinic(t)
			ownGroup(c)
			c.text = "tags = { team = \"data\" }\n" + c.text
			c.ignoring(test.operation)
			c.writes = []string{test.operation}
			f := c.dryRun()
			id := regexp.MustCompile(`^EC2 has carried out the dry run of ` + test.operation + `, and made ` + test.object + `, which belongs to no environment$`).FindStringSubmatch(f.Text)
			if f.Status != doctor.Fail || id == nil {
				t.Fatalf("have %+v", f)
			}
			if want := "remove it: " + strings.Replace(test.remove, "ID", id[1], 1); f.Todo != want {
				t.Errorf("have %q, want %q", f.Todo, want)
			}
			for _, tag := range c.tagsOf(id[1]) {
				if strings.HasPrefix(aws.ToString(tag.Key), "flowbed") {
					t.Errorf("it has the tag %s", *tag.Key)
				}
			}
		})
	}
}

// tagsOf returns the tags of an object that exists.
func (c *clinic) tagsOf(id string) []ec2types.TagDescription {
	c.Helper()
	api := ec2.NewFromConfig(c.account.Config(region))
	var err error
	var n int
	var tags []ec2types.Tag
	switch kind, _, _ := strings.Cut(id, "-"); kind {
	case "sg":
		out, failed := api.DescribeSecurityGroups(c.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}})
		if err = failed; err == nil {
			n, tags = len(out.SecurityGroups), out.SecurityGroups[0].Tags
		}
	case "key":
		out, failed := api.DescribeKeyPairs(c.Context(), &ec2.DescribeKeyPairsInput{})
		if err = failed; err == nil {
			n, tags = len(out.KeyPairs), out.KeyPairs[0].Tags
		}
	default:
		out, failed := api.DescribeInstances(c.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
		if err = failed; err == nil {
			n, tags = len(out.Reservations), out.Reservations[0].Instances[0].Tags
		}
	}
	if err != nil || n != 1 {
		c.Fatalf("%s does not exist: %v", id, err)
	}
	var list []ec2types.TagDescription
	for _, t := range tags {
		list = append(list, ec2types.TagDescription{Key: t.Key, Value: t.Value})
	}
	return list
}

// TestDryRunTags: probes have the file's tags, which an organization may require, and none of
// flowbed's.
func TestDryRunTags(t *testing.T) {
	c := newClinic(t)
	ownGroup(c)
	c.text = "tags = { team = \"data\" }\n" + c.text
	seen := map[string]int{}
	c.meddle(func(op string, in any) {
		if !slices.Contains(probes, op) {
			return
		}
		for _, s := range reflect.ValueOf(in).Elem().FieldByName("TagSpecifications").Interface().([]ec2types.TagSpecification) {
			for _, tag := range s.Tags {
				seen[op+" "+*tag.Key+"="+*tag.Value]++
			}
		}
	})
	if f := c.dryRun(); f.Status != doctor.OK {
		t.Errorf("have %+v", f)
	}
	want := map[string]int{"CreateSecurityGroup team=data": 1, "ImportKeyPair team=data": 1, "RunInstances team=data": 3}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("have %v, want %v", seen, want)
	}
}

// TestDryRunElsewhere: nothing is tried where DryRun may have no effect.
func TestDryRunElsewhere(t *testing.T) {
	all := func(url string) func(*aws.Config) { return func(cfg *aws.Config) { cfg.BaseEndpoint = &url } }
	single := func(url string) func(*aws.Config) {
		return func(cfg *aws.Config) {
			cfg.ServiceOptions = append(cfg.ServiceOptions, func(_ string, o any) {
				if o, ok := o.(*ec2.Options); ok {
					o.BaseEndpoint = &url
				}
			})
		}
	}
	for _, test := range []struct {
		url  string
		aws  bool
		only bool // EC2 alone has the endpoint
	}{
		{"http://127.0.0.1:4566", false, false},
		{"http://127.0.0.1:4566", false, true},
		{"https://localhost.localstack.cloud:4566", false, true},
		{"https://ec2.eu-central-1.amazonaws.com.example.com", false, true},
		{"https://ec2-3-120-1-2.eu-central-1.compute.amazonaws.com", false, true},
		{"https://my-ec2.eu-central-1.elb.amazonaws.com", false, true},
		{"http://ec2.eu-central-1.amazonaws.com", false, true},
		{"https://ec2.eu-central-1.amazonaws.com:4566", false, true},
		{"https://ec2.eu-central-1.amazonaws.com", true, true},
		{"https://EC2.eu-central-1.amazonaws.com/", true, true},
		{"https://ec2-fips.us-east-1.amazonaws.com", true, true},
		{"https://ec2.cn-north-1.amazonaws.com.cn", true, true},
		{"https://ec2.eu-central-1.api.aws", true, true},
		{"https://vpce-0123abcd-xyz.ec2.eu-central-1.vpce.amazonaws.com", true, true},
	} {
		c := newClinic(t)
		if c.config = all(test.url); test.only {
			c.config = single(test.url)
		}
		f := c.dryRun()
		tried := slices.ContainsFunc(c.account.Calls(), func(call sandbox.Call) bool { return slices.Contains(probes, call.Operation) })
		if tried != test.aws {
			t.Errorf("%s: tried: %v, want %v", test.url, tried, test.aws)
		}
		if want := "not tried: " + test.url + " is not AWS"; !test.aws && (f.Status != doctor.Warn || !strings.HasPrefix(f.Text, want)) {
			t.Errorf("%s: have %+v, want %s", test.url, f, want)
		}
	}
}

// needed is the policy that flowbed prints: it allows the calls only with flowbed's tags.
func needed(c *clinic, more ...string) string {
	all := []permissions.Needs{{Permissions: []resource.Permission{{Actions: more, Resources: []string{"*"}}}}}
	for _, v := range []permissions.Verb{permissions.Up, permissions.Down} {
		needs, err := stack.Permissions(v, c.environment(), identity, stack.Options{})
		c.must(nil, err)
		all = append(all, needs...)
	}
	return permissions.NewPolicy(all).String()
}

// TestDryRunRefused: a refusal that only says that no policy allows a call without flowbed's
// tags does not mean that up would be denied.
func TestDryRunRefused(t *testing.T) {
	const simulate, decode = "iam:SimulatePrincipalPolicy", "sts:DecodeAuthorizationMessage"
	withTags := "CreateSecurityGroup, ImportKeyPair would be allowed with the environment's tags"
	for name, test := range map[string]struct {
		prepare func(*clinic)
		status  doctor.Status
		says    string
	}{
		"the policy, and all can be read":  {func(c *clinic) { c.account.Policy = needed(c, simulate, decode) }, doctor.OK, withTags},
		"the policy, without a simulation": {func(c *clinic) { c.account.Policy = needed(c, decode) }, doctor.Warn, "cannot tell for CreateSecurityGroup, ImportKeyPair"},
		"no permission":                    {func(c *clinic) { c.account.Policy = allow("ec2:Describe*", "sts:*", "iam:*", "ssm:*", "s3:*") }, doctor.Fail, "CreateSecurityGroup is denied"},
		"a deny":                           {func(c *clinic) { c.account.Policy = but("ec2:ImportKeyPair") }, doctor.Fail, "ImportKeyPair is denied"},
		"no reason": {func(c *clinic) {
			c.faults["ImportKeyPair"] = &smithy.GenericAPIError{Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation."}
		}, doctor.Warn, "cannot tell for ImportKeyPair; CreateSecurityGroup would be allowed"},
		"the organization": {func(c *clinic) {
			c.faults["ImportKeyPair"] = &smithy.GenericAPIError{Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation. " +
				"User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: ec2:ImportKeyPair on resource: arn:aws:ec2:eu-central-1:123456789012:key-pair/a because no service control policy allows the ec2:ImportKeyPair action"}
		}, doctor.Fail, "ImportKeyPair is denied"},
		"some other error": {func(c *clinic) { c.faults["ImportKeyPair"] = errors.New("boom") }, doctor.Warn, "cannot tell for ImportKeyPair"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClinic(t)
			test.prepare(c)
			if f := c.dryRun(); f.Status != test.status || !strings.Contains(f.Text, test.says) {
				t.Errorf("have %+v, want %s with %q", f, test.status, test.says)
			}
		})
	}
}
