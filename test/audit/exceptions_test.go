package audit_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/audit"
)

var update = flag.Bool("update", false, "write the tables of docs/security.md")

// closing maps each Closes text to the config file text that does it.
var closing = map[string]func(t *testing.T, account *sandbox.Account) string{
	"logs { retention_days = 365 }":                as("logs { retention_days = 365 }\n"),
	"cluster { container_insights = true }":        as("cluster { container_insights = true }\n"),
	"kms_key = …":                                  as("kms_key = \"arn:aws:kms:" + region + ":123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab\"\n"),
	`network { vpc = "new" }`:                      as("network { vpc = \"new\" }\n"),
	"network { egress { cidrs = … } }":             as("network {\negress {\ncidrs = [\"10.0.0.0/8\"]\nports = [443]\n}\n}\n"),
	"network { subnets = … } with private subnets": private,
	"bucket { access_logs { bucket = … } }":        logged,
}

func as(text string) func(*testing.T, *sandbox.Account) string {
	return func(*testing.T, *sandbox.Account) string { return text }
}

// logged creates a bucket for access logs, as an environment has one.
func logged(t *testing.T, account *sandbox.Account) string {
	id := resource.Identity{Env: "logs", Account: sandbox.DefaultAccount, Region: region, Partition: "aws", Version: "1.0.0"}
	name := "logs-" + sandbox.DefaultAccount + "-" + region + "-an"
	g := &provision.Graph{Owner: id.Owner()}
	provision.Add(g, "bucket", provision.Own, resource.Bucket{
		API: s3.NewFromConfig(account.Config(region)), ID: id, Name: name, Regional: true, Versioning: true, ExpireDays: 365,
	})
	if err := g.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	return "bucket {\naccess_logs { bucket = \"" + name + "\" }\n}\n"
}

// private creates a VPC with a subnet that has no route to the internet.
func private(t *testing.T, account *sandbox.Account) string {
	api := ec2.NewFromConfig(account.Config(region))
	vpc := must(t, func(ctx context.Context) (*ec2.CreateVpcOutput, error) {
		return api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	}).Vpc.VpcId
	subnet := must(t, func(ctx context.Context) (*ec2.CreateSubnetOutput, error) {
		return api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: aws.String("10.0.1.0/24"), AvailabilityZone: aws.String(region + "a")})
	}).Subnet.SubnetId
	return fmt.Sprintf("network {\nvpc = %q\nsubnets = [%q]\n}\n", *vpc, *subnet)
}

// TestExceptions checks that a default environment, or else one with a service, has each finding,
// and that the documented attribute closes it without violating another control.
func TestExceptions(t *testing.T) {
	for _, e := range audit.Exceptions {
		if e.Why == "" || e.IDs == "" || e.Finding == "" || e.Raised == nil && e.Closes != "" {
			t.Errorf("incomplete exception: %+v", e)
		}
		if e.Raised == nil {
			continue
		}
		text := environments[0].text
		synctest.Test(t, func(t *testing.T) {
			if e.Raised(up(t, sandbox.New(), text)) {
				return
			}
			text = environments[1].text
			if !e.Raised(up(t, sandbox.New(), text)) {
				t.Errorf("%s: %s: the finding no longer exists", e.IDs, e.Finding)
			}
		})
		if e.Closes == "" {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			write := closing[e.Closes]
			if write == nil {
				t.Fatalf("%s: closing has no entry for %q", e.IDs, e.Closes)
			}
			account := sandbox.New()
			a := up(t, account, write(t, account)+text)
			if e.Raised(a) {
				t.Errorf("%s: %s: %s does not close the finding", e.IDs, e.Finding, e.Closes)
			}
			for _, f := range a.Faults() {
				t.Errorf("with %s: %s", e.Closes, f)
			}
		})
	}
}

// TestDocument compares the tables in docs/security.md with this package.
func TestDocument(t *testing.T) {
	const path = "../../docs/security.md"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	have := string(raw)
	want := between(t, have, "controls", controls())
	want = between(t, want, "exceptions", exceptions())
	want = between(t, want, "cloudsplaining", findings())
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s is out of date: run go test ./test/audit -update (-want +have):\n%s", path, diff)
	}
}

// between replaces the text between a begin and an end marker.
func between(t *testing.T, text, name, middle string) string {
	t.Helper()
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->\n"
	head, rest, ok := strings.Cut(text, begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("the page has no markers %q … %q", begin, end)
	}
	return head + begin + middle + end + tail
}

func controls() string {
	var b strings.Builder
	b.WriteString("| requirement | control | what is checked |\n|---|---|---|\n")
	for _, c := range audit.Controls {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Want, c.IDs, c.Looks)
	}
	return b.String()
}

func exceptions() string {
	var b strings.Builder
	b.WriteString("| finding | control | why we accept it | closed by |\n|---|---|---|---|\n")
	for _, e := range audit.Exceptions {
		closes := "nothing yet"
		switch {
		case e.Closes != "":
			closes = "`" + e.Closes + "`"
		case strings.HasPrefix(e.Finding, "account-wide defaults"):
			closes = "the account's owner"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", e.Finding, e.IDs, e.Why, closes)
	}
	return b.String()
}
