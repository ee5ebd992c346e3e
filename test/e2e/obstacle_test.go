package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/test/lifecycle"
)

// planned is the environment that consists of a case, and the plan of its removal.
func planned(t *testing.T, w *lifecycle.World, c lifecycle.Case) (*provision.Graph, provision.Plan) {
	t.Helper()
	graph := func() *provision.Graph {
		g := &provision.Graph{Owner: w.ID.Owner(), Retry: awserr.Retry}
		c.Add(w, g)
		return g
	}
	if err := graph().Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := graph()
	p, err := g.PlanDown(t.Context())
	if err != nil || p.Err() != nil {
		t.Fatalf("without an obstacle: %v, %v", err, p.Err())
	}
	return graph(), p
}

// TestObstacles: a server that is not ours has to find somebody else's rules and profiles for
// our objects, by the filters and calls with which flowbed asks.
func TestObstacles(t *testing.T) {
	for name, c := range map[string]struct {
		life lifecycle.Case
		step string
		make func(ctx context.Context, w *lifecycle.World, ours string) (foreign string, err error)
	}{
		"an ingress rule": {lifecycle.SecurityGroup, "agent security group", func(ctx context.Context, w *lifecycle.World, ours string) (string, error) {
			api, id, err := otherGroup(ctx, w)
			if err == nil {
				_, err = api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: from(ours)})
			}
			return id, err
		}},
		"an egress rule": {lifecycle.SecurityGroup, "agent security group", func(ctx context.Context, w *lifecycle.World, ours string) (string, error) {
			api, id, err := otherGroup(ctx, w)
			if err == nil {
				_, err = api.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &id, IpPermissions: from(ours)})
			}
			return id, err
		}},
		"an instance profile": {lifecycle.Role, lifecycle.Role.Step, func(ctx context.Context, w *lifecycle.World, ours string) (string, error) {
			api, id := iam.NewFromConfig(w.Config), "by-hand"
			if _, err := api.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &id}); err != nil {
				return "", err
			}
			_, err := api.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &id, RoleName: &ours})
			return id, err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := account(t)
			w := lifecycle.NewWorld(f.Config("us-east-1"), f.Account)
			g, p := planned(t, w, c.life)
			ours := ""
			for _, a := range p.Actions {
				if a.Step == c.step {
					ours = a.Object
				}
			}
			foreign, err := c.make(t.Context(), w, ours)
			if err != nil || ours == "" {
				t.Fatal(ours, err)
			}
			left, err := g.Down(t.Context())
			if err == nil || !strings.Contains(err.Error(), ours) || !strings.Contains(err.Error(), foreign) {
				t.Errorf("down: %v, want an error with %s and %s", err, ours, foreign)
			}
			if n := left.Count(provision.Delete); n != p.Count(provision.Delete) {
				t.Errorf("down left %d of %d objects", n, p.Count(provision.Delete))
			}
		})
	}
}

func otherGroup(ctx context.Context, w *lifecycle.World) (*ec2.Client, string, error) {
	api := ec2.NewFromConfig(w.Config)
	vpcs, err := api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if err != nil {
		return api, "", err
	}
	out, err := api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("database"), Description: aws.String("somebody's"), VpcId: vpcs.Vpcs[0].VpcId})
	if err != nil {
		return api, "", err
	}
	return api, *out.GroupId, nil
}

func from(group string) []ec2types.IpPermission {
	return []ec2types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(5432), ToPort: aws.Int32(5432),
		UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupId: &group}},
	}}
}
