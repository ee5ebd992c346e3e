package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/e2e/moto"
	"github.com/flowbed/flowbed/test/prefecttest"
)

func TestMain(m *testing.M) { able.Main(m) }

// motoAccount opens an account of a server that ends with the test, and points the SDK
// and the programs that the test starts to it.
func motoAccount(t *testing.T) *moto.Front {
	t.Helper()
	able.Tool(t, "python")
	server, err := moto.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	front := server.Account("200000000321", 0)
	t.Cleanup(func() { front.Close(); server.Stop() })
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": front.URL, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": region, "AWS_PROFILE": "",
		"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "AWS_SESSION_TOKEN": "",
		"TMPDIR":          t.TempDir(), // a killed run leaves its folder
		"PREFECT_API_URL": "", "PREFECT_API_KEY": "", "PREFECT_API_AUTH_STRING": "",
	} {
		t.Setenv(name, value)
	}
	return front
}

// beats lets each agent of the environment report to Prefect, as its worker would.
func beats(ctx context.Context, front *moto.Front, api *prefecttest.Server, env string) {
	client := ec2.NewFromConfig(front.Config(region))
	for ctx.Err() == nil {
		out, err := client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
		if err == nil {
			for _, res := range out.Reservations {
				for _, i := range res.Instances {
					for _, tag := range i.Tags {
						if *tag.Key == "Name" && *tag.Value == "flowbed-"+env+"-agent" {
							api.Heartbeat("flowbed-"+env, env+"-"+*i.InstanceId, time.Now(), true)
						}
					}
				}
			}
		}
		_ = pause(ctx, 200*time.Millisecond)
	}
}

// TestMoto asks moto over HTTP, with the real program. Much of what AWS does, moto does
// not: then the question could not be asked or the answer differs, but it is never as
// assumed.
func TestMoto(t *testing.T) {
	front := motoAccount(t)
	hurry = 60
	t.Cleanup(func() { hurry = 1 })
	api := prefecttest.New()
	server := httptest.NewServer(api)
	defer server.Close()
	dir := t.TempDir()
	path, err := build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	before := motoObjects(t, front)
	s := settings{Name: "canary-m7k2p9", Region: region, Account: front.Account, Caller: "arn:aws:sts::" + front.Account + ":user/moto",
		Within: 10 * time.Minute, Prefect: endpoint{URL: server.URL + "/api", Key: "pnu_a_secret_of_the_test"}}
	p := binary{path: path, dir: dir, region: region, env: []string{"HOME=" + dir, "FLOWBED_VAR_prefect_secret=" + s.Prefect.Key}}
	r := newRun(s, front.Config(region), p, t.Output())
	r.write = func(text string) error { return os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(text), 0o600) }
	r.as = func(c aws.Credentials) aws.Config {
		cfg := front.Config(region)
		cfg.Credentials = credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
		return cfg
	}
	ctx, stop := context.WithCancel(t.Context())
	var beating sync.WaitGroup
	beating.Go(func() { beats(ctx, front, api, s.Name) })
	results := r.askAll(t.Context(), questions())
	r.machines.watching()
	l := r.clean(t.Context())
	stop()
	beating.Wait()

	have := verdicts(results)
	for _, name := range []string{"second-plan", "heartbeat-t3-micro", "heartbeat-t2-micro", "down", "lock-history", "launch-token"} {
		if have[name] != asAssumed {
			t.Errorf("%s: %s, want %s", name, have[name], asAssumed)
		}
	}
	for _, name := range []string{
		"caller-policy", "console-nitro", "console-xen", "ssm-online", "fresh-profile", "cluster-provisioning",
		"execution-role-source", "task-events", "event-environment", "event-tags", "environment-events",
		"command-tags", "dead-run", "systemd-restarts", "account-plan",
	} {
		if have[name] == asAssumed {
			t.Errorf("%s: %s, which moto cannot know", name, have[name])
		}
	}
	if len(l.Left)+len(l.Blind) > 0 {
		t.Errorf("cleaning: %s", l)
	}
	if diff := cmp.Diff(before, motoObjects(t, front)); diff != "" {
		t.Errorf("the account has changed (-before +after):\n%s", diff)
	}
	if pools := api.Pool("flowbed-" + s.Name); pools != nil {
		t.Errorf("the work pool is left: %v", pools)
	}
	report := r.redact.text(r.report(results, l, time.Now(), "test"))
	for _, secret := range []string{front.Account, "pnu_", "AKIA", "127.0.0.1"} {
		if strings.Contains(report, secret) {
			t.Errorf("the report has %q", secret)
		}
	}
	if t.Failed() {
		t.Log(report)
	}
}

// motoObjects are the names of all that a run makes.
func motoObjects(t *testing.T, front *moto.Front) map[string][]string {
	t.Helper()
	ctx, cfg, all := context.Background(), front.Config(region), map[string][]string{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	add := func(kind string, name *string) { all[kind] = append(all[kind], aws.ToString(name)) }
	roles, err := iam.NewFromConfig(cfg).ListRoles(ctx, &iam.ListRolesInput{})
	must(err)
	for _, o := range roles.Roles {
		if !strings.Contains(aws.ToString(o.Path), "/aws-service-role/") {
			add("role", o.RoleName)
		}
	}
	profiles, err := iam.NewFromConfig(cfg).ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{})
	must(err)
	for _, o := range profiles.InstanceProfiles {
		add("profile", o.InstanceProfileName)
	}
	groups, err := ec2.NewFromConfig(cfg).DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	must(err)
	for _, o := range groups.SecurityGroups {
		add("group", o.GroupName)
	}
	instances, err := ec2.NewFromConfig(cfg).DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	must(err)
	for _, res := range instances.Reservations {
		for _, o := range res.Instances {
			if o.State.Name != "terminated" {
				add("instance", o.InstanceId)
			}
		}
	}
	clusters, err := ecs.NewFromConfig(cfg).ListClusters(ctx, &ecs.ListClustersInput{})
	must(err)
	described, err := ecs.NewFromConfig(cfg).DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: clusters.ClusterArns})
	must(err)
	for _, o := range described.Clusters {
		if aws.ToString(o.Status) != "INACTIVE" {
			add("cluster", o.ClusterName)
		}
	}
	definitions, err := ecs.NewFromConfig(cfg).ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{Status: "ACTIVE"})
	must(err)
	all["definition"] = definitions.TaskDefinitionArns
	queues, err := sqs.NewFromConfig(cfg).ListQueues(ctx, &sqs.ListQueuesInput{})
	must(err)
	all["queue"] = queues.QueueUrls
	rules, err := eventbridge.NewFromConfig(cfg).ListRules(ctx, &eventbridge.ListRulesInput{})
	must(err)
	for _, o := range rules.Rules {
		add("rule", o.Name)
	}
	parameters, err := ssm.NewFromConfig(cfg).DescribeParameters(ctx, &ssm.DescribeParametersInput{})
	must(err)
	for _, o := range parameters.Parameters {
		if !strings.HasPrefix(*o.Name, "/aws/") {
			add("parameter", o.Name)
		}
	}
	logs, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
	must(err)
	for _, o := range logs.LogGroups {
		add("log group", o.LogGroupName)
	}
	buckets, err := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).ListBuckets(ctx, &s3.ListBucketsInput{})
	must(err)
	for _, o := range buckets.Buckets {
		add("bucket", o.Name)
	}
	for kind, names := range all {
		if len(names) == 0 {
			delete(all, kind)
		}
		slices.Sort(names)
	}
	return all
}

// canaryRun is a started canary, as `make canary` starts it.
type canaryRun struct {
	cmd      *exec.Cmd
	out, err bytes.Buffer
	ended    chan error
}

func startCanary(t *testing.T, path string, args ...string) *canaryRun {
	t.Helper()
	c := &canaryRun{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), path, args...), ended: make(chan error, 1)}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.err
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.cmd.Wait() }()
	return c
}

// TestSignals interrupts a canary with Ctrl-C, which then cleans up, and kills another
// one with kill -9, after which --clean does.
func TestSignals(t *testing.T) {
	front := motoAccount(t)
	path := filepath.Join(t.TempDir(), "canary")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	before := motoObjects(t, front)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		front.Reset()
		c := startCanary(t, path, "--yes")
		if err := made(t.Context(), front, c, "ecs.CreateCluster", "ec2.RunInstances", "iam.CreateInstanceProfile", "logs.CreateLogGroup"); err != nil {
			t.Fatalf("%v\n%s", err, &c.err)
		}
		if err := c.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		<-c.ended
		if signal == syscall.SIGKILL {
			if cmp.Equal(before, motoObjects(t, front)) {
				t.Fatal("the killed run left nothing, so there is nothing to clean up")
			}
			name := regexp.MustCompile(`--clean (canary-\w+)`).FindStringSubmatch(c.err.String())
			if name == nil {
				t.Fatalf("it did not say how to clean up:\n%s", &c.err)
			}
			c = startCanary(t, path, "--clean", name[1])
			if err := <-c.ended; err != nil {
				t.Errorf("--clean: %v\n%s", err, &c.err)
			}
		}
		if !strings.Contains(c.out.String(), "0 left") {
			t.Errorf("%s: it does not say 0 left:\n%s\n%s", signal, &c.out, &c.err)
		}
		if strings.Contains(c.out.String(), front.Account) {
			t.Errorf("%s: the report has the account number:\n%s", signal, &c.out)
		}
		if diff := cmp.Diff(before, motoObjects(t, front)); diff != "" {
			t.Errorf("%s: the account has changed (-before +after):\n%s\n%s", signal, diff, &c.err)
		}
	}
}

// made waits until all these calls were made.
func made(ctx context.Context, front *moto.Front, c *canaryRun, calls ...string) error {
	for {
		missing := slices.Clone(calls)
		for _, done := range front.Calls() {
			missing = slices.DeleteFunc(missing, func(m string) bool { return m == done.Service+"."+done.Operation })
		}
		if len(missing) == 0 {
			return nil
		}
		select {
		case err := <-c.ended:
			return fmt.Errorf("the canary ended before %v: %w", missing, err)
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
