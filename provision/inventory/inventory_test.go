package inventory

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

const region = "eu-central-1"

func clients(a *sandbox.Account) stack.Clients { return stack.NewClients(a.Config(region)) }

// find is what list does in one region.
func find(ctx context.Context, c stack.Clients) ([]Environment, error) {
	kinds, err := stack.Discoverers(c, id("all", region, 0))
	if err != nil {
		return nil, err
	}
	return Region(ctx, region, kinds)
}

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// id is an environment that expires after ttl; 0 is never.
func id(name, region string, ttl time.Duration) resource.Identity {
	i := resource.Identity{Env: name, Account: sandbox.DefaultAccount, Region: region, Partition: "aws", Version: "test"}
	if ttl != 0 {
		i.Life = &resource.Lifetime{TTL: ttl, Start: time.Now(), LogTags: func() resource.Tags { return nil }}
	}
	return i
}

type maker struct {
	*testing.T
	stack.Clients
}

func (m maker) must(_ any, err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m maker) logGroup(name string, t resource.Tags) {
	m.must(m.Logs.CreateLogGroup(m.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name, Tags: t}))
}

func (m maker) role(name string, t resource.Tags) {
	in := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trust)}
	for k, v := range t {
		in.Tags = append(in.Tags, iamtypes.Tag{Key: &k, Value: &v})
	}
	m.must(m.IAM.CreateRole(m.Context(), in))
}

func (m maker) bucket(name string, t resource.Tags) {
	in := &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: region,
	}}
	for k, v := range t {
		in.CreateBucketConfiguration.Tags = append(in.CreateBucketConfiguration.Tags, s3types.Tag{Key: &k, Value: &v})
	}
	m.must(m.S3.CreateBucket(m.Context(), in))
}

func (m maker) group(name string, t resource.Tags) {
	in := &ec2.CreateSecurityGroupInput{GroupName: &name, Description: &name, TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup}}}
	for k, v := range t {
		in.TagSpecifications[0].Tags = append(in.TagSpecifications[0].Tags, types.Tag{Key: &k, Value: &v})
	}
	m.must(m.EC2.CreateSecurityGroup(m.Context(), in))
}

func (m maker) profile(name string, t resource.Tags) {
	in := &iam.CreateInstanceProfileInput{InstanceProfileName: &name}
	for k, v := range t {
		in.Tags = append(in.Tags, iamtypes.Tag{Key: &k, Value: &v})
	}
	m.must(m.IAM.CreateInstanceProfile(m.Context(), in))
}

// instance launches an instance with the profile, if any, in which it puts a role first.
func (m maker) instance(profile string, t resource.Tags) {
	images, err := m.EC2.DescribeImages(m.Context(), &ec2.DescribeImagesInput{})
	if err != nil {
		m.Fatal(err)
	}
	in := &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ImageId: images.Images[0].ImageId, InstanceType: types.InstanceTypeT3Micro,
	}
	if t != nil {
		in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance}}
	}
	for k, v := range t {
		in.TagSpecifications[0].Tags = append(in.TagSpecifications[0].Tags, types.Tag{Key: &k, Value: &v})
	}
	if profile != "" {
		m.role("of-"+profile, nil)
		m.must(m.IAM.AddRoleToInstanceProfile(m.Context(), &iam.AddRoleToInstanceProfileInput{
			InstanceProfileName: &profile, RoleName: aws.String("of-" + profile)}))
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: &profile}
	}
	m.must(m.EC2.RunInstances(m.Context(), in))
}

func (m maker) cluster(name string, t resource.Tags) {
	in := &ecs.CreateClusterInput{ClusterName: &name}
	for k, v := range t {
		in.Tags = append(in.Tags, ecstypes.Tag{Key: &k, Value: &v})
	}
	m.must(m.ECS.CreateCluster(m.Context(), in))
}

func (m maker) parameter(name string, t resource.Tags) {
	in := &ssm.PutParameterInput{Name: &name, Value: &name, Type: ssmtypes.ParameterTypeString}
	for k, v := range t {
		in.Tags = append(in.Tags, ssmtypes.Tag{Key: &k, Value: &v})
	}
	m.must(m.SSM.PutParameter(m.Context(), in))
}

// outline is what was found in a form that is easy to compare.
func outline(list []Environment, began time.Time) map[string]string {
	have := map[string]string{}
	for _, e := range list {
		s := "never"
		if !e.Expires.IsZero() {
			s = e.Expires.Sub(began).String()
		}
		for _, o := range e.Objects {
			for _, id := range []string{"sg", "i"} { // ids are not always the same
				if strings.HasPrefix(o.Name, id+"-") {
					o.Name = id
				}
			}
			s += ", " + o.Kind + " " + o.Name
		}
		have[e.Name] = s
	}
	return have
}

func TestRegion(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(maker)
		want map[string]string
	}{
		{"an empty account", func(maker) {}, map[string]string{}},
		{"names alone say nothing", func(m maker) {
			m.logGroup("/flowbed/theirs", nil)
			m.role("flowbed-theirs-task", resource.Tags{"flowbed:environment": "theirs"})
			m.bucket("flowbed-theirs", nil)
			m.group("flowbed-theirs-tasks", resource.Tags{"flowbed:environment": "theirs", "flowbed:region": region})
		}, map[string]string{}},
		{"what the log group says, counts", func(m maker) {
			m.logGroup("/flowbed/dev", id("dev", region, 0).Tags("x"))
			m.group("flowbed-dev-tasks", id("dev", region, time.Hour).Tags("x"))
			m.logGroup("/flowbed/ci", id("ci", region, 2*time.Hour).Tags("x"))
			m.group("flowbed-ci-tasks", id("ci", region, 0).Tags("x"))
		}, map[string]string{
			"dev": "never, log group /flowbed/dev, security group sg",
			"ci":  "2h0m0s, log group /flowbed/ci, security group sg",
		}},
		{"half built: all have to expire, and the last one counts", func(m maker) {
			m.bucket("flowbed-ci", id("ci", region, time.Hour).Tags("x"))
			m.role("flowbed-ci-task", id("ci", region, 2*time.Hour).Tags("x"))
			m.bucket("flowbed-mixed", id("mixed", region, time.Hour).Tags("x"))
			m.role("flowbed-mixed-task", id("mixed", region, 0).Tags("x"))
		}, map[string]string{
			"ci":    "2h0m0s, bucket flowbed-ci, role flowbed-ci-task",
			"mixed": "never, bucket flowbed-mixed, role flowbed-mixed-task",
		}},
		{"roles belong to the region for which they were made", func(m maker) {
			m.role("flowbed-here-task", id("here", region, time.Hour).Tags("x"))
			m.role("flowbed-there-task", id("there", "us-east-1", time.Hour).Tags("x"))
		}, map[string]string{"here": "1h0m0s, role flowbed-here-task"}},
		{"what is shared is of those who claim it, and does not expire", func(m maker) {
			shared := id("maker", region, time.Hour).SharedTags("x")
			delete(shared, "flowbed:claim:maker@"+region)
			shared["flowbed:claim:user@"+region] = "in use"
			m.role(names.AccountExecutionRole, shared)
			m.bucket("flowbed-user", id("user", region, time.Hour).Tags("x"))
		}, map[string]string{"user": "1h0m0s, bucket flowbed-user, role ecsTaskExecutionRole"}},
		{"names of its own", func(m maker) {
			group := id("own", region, time.Hour).Tags("x")
			group["flowbed:bucket"] = "data-of-ours older-data elsewhere flowbed-own gone"
			m.logGroup("/flowbed/own", group)
			mine := id("own", region, 0).Tags("x")
			for _, name := range []string{"data-of-ours", "older-data", "flowbed-own"} {
				m.bucket(name, mine)
			}
			m.bucket("data-of-ours-2", mine) // of no record, and so not looked for
			m.bucket("elsewhere", id("other", region, 0).Tags("x"))
			m.role("runner", mine)
			m.cluster("farm", mine)
			m.profile("flowbed-own-agent", mine)
			m.parameter("/flowbed/own/prefect-api-key", mine)
		}, map[string]string{
			"own": "1h0m0s, bucket data-of-ours, bucket flowbed-own, bucket older-data, cluster farm, " +
				"instance profile flowbed-own-agent, log group /flowbed/own, parameter /flowbed/own/prefect-api-key, role runner",
			"other": "never, bucket elsewhere",
		}},
		{"the record of a log group that is not ours says nothing", func(m maker) {
			m.logGroup("/flowbed/theirs", resource.Tags{"flowbed:bucket": "data"})
			there := id("there", "us-east-1", 0).Tags("x")
			there["flowbed:bucket"] = "data"
			m.logGroup("/flowbed/there", there)
			m.bucket("data", id("dev", region, 0).Tags("x"))
		}, map[string]string{}},
		{"a lease has no expiry, and what is half built has its own", func(m maker) {
			m.parameter("/flowbed/ci/lease", id("ci", region, 0).Tags("x"))
			m.role("flowbed-ci-task", id("ci", region, time.Hour).Tags("x"))
			m.parameter("/flowbed/held/lease", id("held", region, 0).Tags("x"))
		}, map[string]string{
			"ci":   "1h0m0s, lock /flowbed/ci/lease, role flowbed-ci-task",
			"held": "never, lock /flowbed/held/lease",
		}},
		{"work pools are those that our log groups record", func(m maker) {
			group := id("ci", region, time.Hour).Tags("x")
			group["flowbed:work-pool"] = "old-pool flowbed-ci"
			m.logGroup("/flowbed/ci", group)
			none := id("none", region, 0).Tags("x")
			none["flowbed:work-pool"] = "-"
			m.logGroup("/flowbed/none", none)
			m.logGroup("/flowbed/theirs", resource.Tags{"flowbed:work-pool": "theirs"})
		}, map[string]string{
			"ci":   "1h0m0s, log group /flowbed/ci, work pool flowbed-ci, work pool old-pool",
			"none": "never, log group /flowbed/none",
		}},
		{"an instance profile alone", func(m maker) {
			m.profile("flowbed-ci-agent", id("ci", region, time.Hour).Tags("x"))
			m.profile("flowbed-theirs-agent", nil)
		}, map[string]string{"ci": "1h0m0s, instance profile flowbed-ci-agent"}},
		{"an instance is of an environment if it has its tags and its profile", func(m maker) {
			m.logGroup("/flowbed/dev", id("dev", region, time.Hour).Tags("x"))
			m.profile("flowbed-dev-agent", id("dev", region, time.Hour).Tags("x"))
			m.instance("flowbed-dev-agent", id("dev", region, time.Hour).Tags("x"))
		}, map[string]string{"dev": "1h0m0s, instance i, instance profile flowbed-dev-agent, log group /flowbed/dev"}},
		{"one with only one of the two is named, and says nothing of the environment", func(m maker) {
			m.role("flowbed-dev-task", id("dev", region, time.Hour).Tags("x"))
			m.profile("flowbed-dev-agent", id("dev", region, time.Hour).Tags("x"))
			m.instance("", id("dev", region, 0).Tags("x"))
			m.instance("flowbed-dev-agent", nil)
			m.profile("flowbed-elsewhere", nil)
			m.instance("flowbed-elsewhere", nil)
		}, map[string]string{"dev": "1h0m0s, doubtful instance i, doubtful instance i, instance profile flowbed-dev-agent, role flowbed-dev-task"}},
		{"a copy of an instance makes no environment", func(m maker) {
			m.instance("", id("gone", region, time.Hour).Tags("x"))
		}, map[string]string{}},
		{"a log group with a name of its own, which has replaced another one", func(m maker) {
			old := id("own", region, 0).Tags("x")
			old[resource.KeyMovedTo] = "/data/flows"
			m.logGroup("/flowbed/own", old)
			group := id("own", region, time.Hour).Tags("x")
			group["flowbed:bucket"] = "data-of-ours"
			m.logGroup("/data/flows", group)
			m.logGroup("/data/flows-2", resource.Tags{"team": "data"})
			m.bucket("data-of-ours", id("own", region, time.Hour).Tags("x"))
			m.logGroup("/data/one", id("twice", region, time.Hour).Tags("x"))
			m.logGroup("/data/two", id("twice", region, 2*time.Hour).Tags("x"))
		}, map[string]string{
			"own":   "1h0m0s, bucket data-of-ours, log group /data/flows, log group /flowbed/own",
			"twice": "2h0m0s, log group /data/one, log group /data/two",
		}},
		{"an expiry that is no time is none", func(m maker) {
			tags := id("odd", region, time.Hour).Tags("x")
			tags[resource.KeyExpires] = "tomorrow"
			m.logGroup("/flowbed/odd", tags)
		}, map[string]string{"odd": "never, log group /flowbed/odd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := sandbox.New()
				began := time.Now()
				c.make(maker{t, clients(a)})
				writes := len(a.Writes())
				list, err := find(t.Context(), clients(a))
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(c.want, outline(list, began)); d != "" {
					t.Errorf("-want +have:\n%s", d)
				}
				if n := len(a.Writes()); n != writes {
					t.Errorf("%d writing calls", n-writes)
				}
			})
		})
	}
}

// TestAge is that of the oldest object which the environment has for itself.
func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		m := maker{t, clients(a)}
		m.role(names.AccountExecutionRole, id("dev", region, 0).SharedTags("x"))
		time.Sleep(time.Hour)
		m.role("flowbed-dev-task", id("dev", region, 0).Tags("x"))
		made := time.Now()
		time.Sleep(time.Hour)
		m.logGroup("/flowbed/dev", id("dev", region, 0).Tags("x"))
		list, err := find(t.Context(), clients(a))
		if err != nil || len(list) != 1 || !list[0].Created.Equal(made) {
			t.Errorf("have %+v and %v, want one that was made at %s", list, err, made)
		}
	})
}

// TestPartly: what cannot be listed does not hide the rest.
func TestPartly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		m := maker{t, clients(a)}
		m.logGroup("/flowbed/dev", id("dev", region, 0).Tags("x"))
		denied := errors.New("denied")
		a.Fault = func(c sandbox.Call) sandbox.Fault {
			if c.Operation == "GetAccountAuthorizationDetails" {
				return sandbox.Fault{Refuse: denied}
			}
			return sandbox.Fault{}
		}
		list, err := find(t.Context(), clients(a))
		if len(list) != 1 || !errors.Is(err, denied) || !strings.HasPrefix(err.Error(), "list roles in "+region+": ") {
			t.Errorf("have %+v and %v", list, err)
		}
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stopped)
		if _, err := find(ctx, clients(a)); !errors.Is(err, stopped) {
			t.Errorf("after an interruption: %v", err)
		}
	})
}

// TestCalls: the searches run at the same time, and only names that a spec has
// given are waited for.
func TestCalls(t *testing.T) {
	const trip = time.Second
	for _, c := range []struct {
		name, bucket string
		trips, more  int // more calls than one for each kind
	}{
		{"names by default", "flowbed-dev", 2, 8}, // the clusters are listed twice, and log groups by name and by tags
		{"a bucket with a name of its own", "data", 4, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := sandbox.New()
				m, tags := maker{t, clients(a)}, id("dev", region, 0).Tags("x")
				group := id("dev", region, 0).Tags("x")
				if c.bucket != names.Prefix+"dev" {
					group["flowbed:bucket"] = c.bucket
				}
				m.logGroup("/flowbed/dev", group)
				m.bucket(c.bucket, tags)
				m.role("flowbed-dev-task", tags)
				m.role("flowbed-dev-agent", tags)
				m.profile("flowbed-dev-agent", tags)
				m.cluster("default", id("dev", region, 0).SharedTags("x"))
				m.parameter("/flowbed/dev/prefect-api-key", tags)
				slow := a.Config(region)
				slow.APIOptions = append(slow.APIOptions, func(s *middleware.Stack) error {
					return s.Initialize.Add(middleware.InitializeMiddlewareFunc("slow", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
						middleware.InitializeOutput, middleware.Metadata, error) {
						time.Sleep(trip)
						return next.HandleInitialize(ctx, in)
					}), middleware.Before)
				})
				before, began := len(a.Calls()), time.Now()
				list, err := find(t.Context(), stack.NewClients(slow))
				if err != nil || len(list) != 1 || len(list[0].Objects) != 7 {
					t.Fatalf("have %+v and %v", list, err)
				}
				if trips := int(time.Since(began) / trip); trips != c.trips {
					t.Errorf("%d dependent trips, want %d", trips, c.trips)
				}
				kinds, err := stack.Discoverers(clients(a), id("all", region, 0))
				if err != nil {
					t.Fatal(err)
				}
				if calls, want := len(a.Calls())-before, 1+len(kinds.Others)+c.more; calls != want {
					t.Errorf("%d calls, want %d: %v", calls, want, a.Calls()[before:])
				}
			})
		})
	}
}
