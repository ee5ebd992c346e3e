package machine_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/templates"
	"github.com/flowbed/flowbed/test/try"
)

const (
	region    = "us-east-1"
	parameter = "/flowbed/dev/prefect-api-key"
	key       = "pnu_0123456789abcdef"
	cloudURL  = "https://api.prefect.cloud/api/accounts/0f6e/workspaces/9d1c"
	boot      = 30 * time.Second
	setup     = 3 * time.Minute
)

// world is an account with what an agent's instance needs.
type world struct {
	*testing.T
	*sandbox.Account
	ec2 *ec2.Client
	iam *iam.Client
	ssm *ssm.Client

	common templates.Common
	worker templates.Worker
	role   string // the inline policy of the instance's role
	edit   func(*ec2.RunInstancesInput)
	noPool bool
	keyID  string // that encrypts the parameter; empty for the default

	id string // of the instance
}

// newKey creates a key whose policy lets the account's IAM policies decide, and returns its ARN.
func (w *world) newKey() string {
	out := try.Must(kms.NewFromConfig(w.Config("us-east-1")).CreateKey(context.Background(), &kms.CreateKeyInput{}))
	return *out.KeyMetadata.Arn
}

func newWorld(t *testing.T) *world {
	a := sandbox.New()
	a.BootTime, a.SetupTime = boot, setup
	cfg := a.Config(region)
	return &world{
		T: t, Account: a, ec2: ec2.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg), ssm: ssm.NewFromConfig(cfg),
		common: templates.Common{
			Env: "dev", Region: region, Prefect: "3.9.1", APIURL: cloudURL, Secret: &templates.Secret{Parameter: parameter, Variable: "PREFECT_API_KEY"},
		},
		worker: templates.Worker{PrefectAWS: "0.7.12", WorkPool: "flowbed-dev", PoolExists: true},
		role:   try.Policy(`"Effect":"Allow","Action":"ssm:GetParameter","Resource":"arn:aws:ssm:us-east-1:123456789012:parameter` + parameter + `"`),
		edit:   func(*ec2.RunInstancesInput) {},
	}
}

func (w *world) api() *prefect.Client {
	return try.Must(prefect.New(prefect.Config{URL: w.common.APIURL, APIKey: key, Transport: sandbox.Prefect(w.Account)}))
}

func (w *world) putKey(value string) {
	try.Must(w.ssm.PutParameter(w.Context(), &ssm.PutParameterInput{Name: aws.String(parameter), Value: &value, Type: "SecureString", Overwrite: aws.Bool(true)}))
}

func (w *world) makePool() {
	template := prefect.Template(prefect.Merge(nil, prefect.Base(prefect.Worker3), nil))
	try.OK(w.api().CreatePool(w.Context(), prefect.NewPool{Name: w.worker.WorkPool, Type: "ecs", Template: template}))
}

// run launches the instance.
func (w *world) run(a templates.Agent) {
	w.Helper()
	h := try.Of(w.Account, region)
	try.OK(h.Role("agent"))
	try.OK(h.Profile("agent"))
	try.OK(h.AddRole("agent", "agent"))
	if w.role != "" {
		try.Must(w.iam.PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("agent"), PolicyName: aws.String("own"), PolicyDocument: &w.role}))
	}
	script := try.Must(templates.UserData(a))
	in := &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), InstanceType: types.InstanceTypeT3Small, ImageId: w.image(),
		UserData:           aws.String(base64.StdEncoding.EncodeToString([]byte(script))),
		IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: aws.String("agent")},
	}
	w.edit(in)
	w.id = *try.Must(w.ec2.RunInstances(w.Context(), in)).Instances[0].InstanceId
}

func (w *world) image() *string {
	out := try.Must(w.ssm.GetParameter(w.Context(), &ssm.GetParameterInput{Name: aws.String("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")}))
	return out.Parameter.Value
}

// status is the status of the instance's worker, or "none".
func (w *world) status() string {
	w.Helper()
	list, err := w.api().Workers(w.Context(), w.worker.WorkPool)
	if err != nil {
		return "none"
	}
	if i := slices.IndexFunc(list, func(r prefect.Worker) bool { return r.Name == "dev-"+w.id }); i >= 0 {
		return list[i].Status
	}
	return "none"
}

func (w *world) wantStatus(when, want string) {
	w.Helper()
	if have := w.status(); have != want {
		w.Errorf("%s: the worker is %s, want %s; the console says:\n%s", when, have, want, w.console())
	}
}

func (w *world) console() string {
	out := try.Must(w.ec2.GetConsoleOutput(w.Context(), &ec2.GetConsoleOutputInput{InstanceId: &w.id, Latest: aws.Bool(true)}))
	return string(try.Must(base64.StdEncoding.DecodeString(aws.ToString(out.Output))))
}

// subnet makes a subnet without a route to the internet.
func (w *world) subnet() *string {
	v := try.Must(w.ec2.CreateVpc(w.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")}))
	return try.Must(w.ec2.CreateSubnet(w.Context(), &ec2.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: aws.String("10.0.1.0/24")})).Subnet.SubnetId
}

// closed is a security group that lets nothing out.
func (w *world) closed() *string {
	g := try.Must(w.ec2.CreateSecurityGroup(w.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("g"), Description: aws.String("g")}))
	try.Must(w.ec2.RevokeSecurityGroupEgress(w.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: g.GroupId,
		IpPermissions: []types.IpPermission{{IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}}))
	return g.GroupId
}

// onlyHTTPS lets the instance connect to port 443 alone.
func (w *world) onlyHTTPS() {
	group := w.closed()
	try.Must(w.ec2.AuthorizeSecurityGroupEgress(w.Context(), &ec2.AuthorizeSecurityGroupEgressInput{GroupId: group, IpPermissions: []types.IpPermission{
		{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(443), ToPort: aws.Int32(443), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}}))
	w.edit = func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{*group} }
}

// through gives the agent a proxy.
func (w *world) through(proxy string, except ...string) {
	w.common.Proxy = &templates.Proxy{URL: proxy, Except: except}
	w.common.Extra = w.common.Proxy.Settings()
}

// TestBoot boots an instance in each situation, and looks at its worker and its console 5
// seconds after the setup.
func TestBoot(t *testing.T) {
	const denied = "FAILED: read " + parameter + ": An error occurred (AccessDeniedException) when calling the GetParameter operation: " +
		"User: arn:aws:sts::123456789012:assumed-role/agent/"
	for _, c := range []struct {
		name    string
		edit    func(*world)
		status  string
		console []string
	}{
		{"all is well", func(*world) {}, "ONLINE", []string{"step: swap\nFLOWBED: step: name", "FLOWBED: done: dev-i-"}},
		{"with a lifetime", func(w *world) { w.common.TTL = time.Hour }, "ONLINE", []string{"step: deadline", "ends itself at 2000-01-01T01:00:30Z"}},
		{"wrong key", func(w *world) { w.putKey("pnu_wrong") }, "none",
			[]string{"FAILED: the agent ended (exit-code 1)", "Client error '401 Unauthorized' for url '" + cloudURL + "/work_pools/flowbed-dev'"}},
		{"key of something else", func(w *world) { w.putKey("sk_0123456789") }, "none", []string{"401 Unauthorized"}},
		{"not one of the exact keys", func(w *world) { w.PrefectKeys = []string{"other", key}; w.putKey("pnu_1") }, "none", []string{"401 Unauthorized"}},
		{"one of the exact keys", func(w *world) { w.PrefectKeys = []string{"other", key}; w.putKey("other") }, "ONLINE", nil},
		{"no permission", func(w *world) { w.role = "" }, "none",
			[]string{denied, "because no identity-based policy allows the ssm:GetParameter action", "FAILED: the agent ended (exit-code )"}},
		{"another parameter denied", func(w *world) {
			w.role = strings.TrimSuffix(w.role, "]}") + `,{"Effect":"Deny","Action":"ssm:GetParameter","NotResource":"arn:aws:ssm:*:*:parameter` + parameter + `"}]}`
		}, "ONLINE", nil},
		{"all parameters denied", func(w *world) {
			w.role = strings.TrimSuffix(w.role, "]}") + `,{"Effect":"Deny","Action":"ssm:GetParameter","NotResource":"arn:aws:ssm:*:*:parameter/x"}]}`
		}, "none", []string{denied, "with an explicit deny"}},
		{"no parameter", func(w *world) {
			try.Must(w.ssm.DeleteParameter(w.Context(), &ssm.DeleteParameterInput{Name: aws.String(parameter)}))
		}, "none", []string{"An error occurred (ParameterNotFound)"}},
		{"no profile", func(w *world) { w.edit = func(in *ec2.RunInstancesInput) { in.IamInstanceProfile = nil } }, "none", []string{"Unable to locate credentials"}},
		{"a key of the account", func(w *world) { w.keyID = w.newKey() }, "none", []string{denied, "to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-0000"}},
		{"a key that the role may use", func(w *world) {
			w.keyID = w.newKey()
			w.role = strings.TrimSuffix(w.role, "]}") + `,{"Effect":"Allow","Action":"kms:Decrypt","Resource":"` + w.keyID + `"}]}`
		}, "ONLINE", nil},
		{"role of something else", func(w *world) {
			w.edit = func(*ec2.RunInstancesInput) {
				trust := strings.ReplaceAll(try.Trust, "ec2.", "ecs-tasks.")
				try.Must(w.iam.UpdateAssumeRolePolicy(w.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("agent"), PolicyDocument: &trust}))
			}
		}, "none", []string{"Unable to locate credentials"}},
		{"no secret", func(w *world) { w.common.Secret, w.common.APIURL = nil, "http://prefect.example.com:4200/api" }, "ONLINE", nil},
		{"no secret for the cloud", func(w *world) { w.common.Secret = nil }, "none", []string{"403 Forbidden"}},
		{"version that does not exist", func(w *world) { w.common.Prefect = "3.9.99" }, "none",
			[]string{"again: prefect: python failed 4 of 5 times", "FAILED: prefect: python failed 5 times", "No matching distribution found for prefect[aws]==3.9.99", "again in 2 minutes"}},
		{"API without an address", func(w *world) { w.common.APIURL = "https://prefect.invalid/api" }, "none", []string{"done: dev-i-"}},
		{"API on the instance", func(w *world) { w.common.APIURL = "http://127.0.0.1:4200/api" }, "none", []string{"done: dev-i-"}},
		{"old worker, and no API", func(w *world) { w.common.APIURL, w.common.Prefect = "http://localhost:4200/api", "3.8.0" }, "none",
			[]string{"FAILED: the agent ended (exit-code 1)", "connection refused"}},
		{"no pool", func(w *world) { w.noPool = true }, "none", []string{"done: dev-i-"}},
		{"no pool for an old worker", func(w *world) { w.noPool, w.worker.PoolExists = true, false }, "ONLINE", nil},
		{"no way out", func(w *world) {
			subnet := w.subnet()
			w.edit = func(in *ec2.RunInstancesInput) { in.SubnetId = subnet }
		}, "none", []string{"again: python: dnf failed 1 of 5 times", "FAILED: python: dnf failed 5 times"}},
		{"no way out but a proxy", func(w *world) {
			subnet := w.subnet()
			w.edit = func(in *ec2.RunInstancesInput) { in.SubnetId = subnet }
			w.through("http://10.0.7.7:3128")
		}, "ONLINE", []string{"step: proxy\nFLOWBED: step: swap"}},
		{"a proxy that is out of reach", func(w *world) {
			subnet := w.subnet()
			w.edit = func(in *ec2.RunInstancesInput) { in.SubnetId = subnet }
			w.through("http://192.0.2.7:3128")
		}, "none", []string{"FAILED: python: dnf failed 5 times"}},
		{"a proxy, and an API that is an exception", func(w *world) {
			subnet := w.subnet()
			w.edit = func(in *ec2.RunInstancesInput) { in.SubnetId = subnet }
			w.through("http://10.0.7.7:3128", ".prefect.cloud")
		}, "none", []string{"done: dev-i-"}},
		{"a script of the user", func(w *world) { w.common.Setup = "echo 'hello'\nexit 0\nexit 1" }, "ONLINE", []string{"step: setup\nFLOWBED: step: swap\nFLOWBED: step: name"}},
		{"a script of the user that fails", func(w *world) { w.common.Setup = "echo 'not today'\nexit 3\n" }, "none",
			[]string{"step: setup\nFLOWBED: FAILED: setup: exit status 3\nFLOWBED: | not today\nFLOWBED: again in 2 minutes\n"}},
		{"a package index behind a closed port", func(w *world) {
			w.common.Index = "https://packages.example.com:8443/simple"
			w.onlyHTTPS()
		}, "none", []string{"FAILED: prefect: python failed 5 times", "after connection broken"}},
		{"no public address", func(w *world) {
			w.edit = func(in *ec2.RunInstancesInput) {
				in.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{{AssociatePublicIpAddress: aws.Bool(false)}}
			}
		}, "none", []string{"FAILED: python: dnf failed 5 times"}},
		{"closed group", func(w *world) {
			group := w.closed()
			w.edit = func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{*group} }
		}, "none", []string{"FAILED: python: dnf failed 5 times"}},
		{"a group that lets out to S3 alone", func(w *world) {
			group := w.closed()
			list := try.Must(w.ec2.DescribeManagedPrefixLists(w.Context(), &ec2.DescribeManagedPrefixListsInput{Filters: []types.Filter{
				{Name: aws.String("prefix-list-name"), Values: []string{"com.amazonaws.us-east-1.s3"}}}})).PrefixLists[0].PrefixListId
			try.Must(w.ec2.AuthorizeSecurityGroupEgress(w.Context(), &ec2.AuthorizeSecurityGroupEgressInput{GroupId: group, IpPermissions: []types.IpPermission{
				{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(443), ToPort: aws.Int32(443), PrefixListIds: []types.PrefixListId{{PrefixListId: list}}}}}))
			w.edit = func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{*group} }
		}, "none", []string{"FAILED: prefect: python failed 5 times"}}, // Amazon Linux's packages are in S3
		{"no metadata", func(w *world) {
			w.edit = func(in *ec2.RunInstancesInput) {
				in.MetadataOptions = &types.InstanceMetadataOptionsRequest{HttpEndpoint: "disabled"}
			}
		}, "none", []string{"FAILED: name: exit status 22"}},
		{"broken setup", func(w *world) { w.SetupFails = "prefect" }, "none", []string{"FAILED: prefect: exit status 1"}},
		{"agent that hangs", func(w *world) { w.AgentHangs = true }, "none", []string{"done: dev-i-"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.putKey(key)
				c.edit(w)
				if w.keyID != "" {
					try.Must(w.ssm.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String(parameter), Value: aws.String(key), Overwrite: aws.Bool(true), KeyId: &w.keyID}))
				}
				if !w.noPool && !strings.Contains(w.common.APIURL, ".invalid") {
					w.makePool()
				}
				w.run(templates.Prefect3Agent(w.common, w.worker))
				time.Sleep(boot + setup - time.Second)
				w.wantStatus("before the end of the setup", "none")
				time.Sleep(6 * time.Second)
				if !strings.Contains(w.common.APIURL, ".invalid") {
					w.wantStatus("after the setup", c.status)
				}
				have := w.console()
				for _, want := range c.console {
					if !strings.Contains(have, want) {
						t.Errorf("the console does not say %q:\n%s", want, have)
					}
				}
				if strings.Contains(have, key) {
					t.Error("the console shows the key")
				}
			})
		})
	}
}

// TestWorkerLater repairs what a worker lacks, or takes something from it, after the
// setup.
func TestWorkerLater(t *testing.T) {
	state := func(w *world, change func(context.Context, *ec2.Client, string) error) {
		try.OK(change(w.Context(), w.ec2, w.id))
	}
	stop := func(ctx context.Context, api *ec2.Client, id string) error {
		_, err := api.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}})
		return err
	}
	start := func(ctx context.Context, api *ec2.Client, id string) error {
		_, err := api.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: []string{id}})
		return err
	}
	terminate := func(ctx context.Context, api *ec2.Client, id string) error {
		_, err := api.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
		return err
	}
	for _, c := range []struct {
		name   string
		before func(*world)
		first  string // the status 5 seconds after the setup
		then   func(*world)
		wait   time.Duration
		last   string
	}{
		{"nothing happens", nil, "ONLINE", func(*world) {}, 30 * 24 * time.Hour, "ONLINE"},
		{"stopped", nil, "ONLINE", func(w *world) { state(w, stop) }, 80 * time.Second, "ONLINE"},
		{"stopped for long", nil, "ONLINE", func(w *world) { state(w, stop) }, 96 * time.Second, "OFFLINE"},
		{"terminated", nil, "ONLINE", func(w *world) { state(w, terminate) }, 96 * time.Second, "OFFLINE"},
		{"started again", nil, "ONLINE", func(w *world) {
			state(w, stop)
			time.Sleep(time.Hour)
			w.wantStatus("stopped", "OFFLINE")
			state(w, start)
			time.Sleep(boot - time.Second)
			w.wantStatus("not booted", "OFFLINE")
		}, time.Second, "ONLINE"},
		{"pool made later", func(w *world) { w.noPool = true }, "none", (*world).makePool, 26 * time.Second, "ONLINE"},
		{"key corrected", func(w *world) { w.putKey("pnu_wrong") }, "none", func(w *world) { w.putKey(key) }, 10 * time.Second, "ONLINE"},
		{"key corrected much later", func(w *world) { w.putKey("pnu_wrong") }, "none", func(w *world) {
			time.Sleep(100 * time.Hour)
			w.putKey(key)
		}, 10 * time.Second, "ONLINE"},
		{"key changed", nil, "ONLINE", func(w *world) { w.putKey("pnu_wrong") }, time.Hour, "ONLINE"}, // the agent keeps the old one
		{"setup corrected", func(w *world) { w.SetupFails = "python" }, "none", func(w *world) { w.SetupFails = "" }, 2*time.Minute + setup, "ONLINE"},
		{"record deleted", nil, "ONLINE", func(w *world) { try.OK(w.api().DeleteWorker(w.Context(), "flowbed-dev", "dev-"+w.id)) }, 26 * time.Second, "ONLINE"},
		{"lifetime ends", func(w *world) { w.common.TTL = 30 * time.Minute }, "ONLINE", func(*world) {}, 29 * time.Minute, "OFFLINE"},
		{"agent dies", func(w *world) { w.AgentLife = time.Minute }, "ONLINE", func(*world) {}, 150 * time.Second, "OFFLINE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.putKey(key)
				if c.before != nil {
					c.before(w)
				}
				if !w.noPool {
					w.makePool()
				}
				w.run(templates.Prefect3Agent(w.common, w.worker))
				time.Sleep(boot + setup + 5*time.Second)
				w.wantStatus("after the setup", c.first)
				c.then(w)
				time.Sleep(c.wait)
				w.wantStatus("at last", c.last)
			})
		})
	}
}

// TestPrefectDown lets the API be down for some time: neither flowbed nor the worker gets
// an answer then.
func TestPrefectDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.putKey(key)
		w.makePool()
		begin := time.Now()
		w.PrefectDown = func(at time.Time) bool {
			return at.After(begin.Add(time.Minute)) && at.Before(begin.Add(10*time.Minute))
		}
		w.run(templates.Prefect3Agent(w.common, w.worker))
		time.Sleep(9 * time.Minute)
		if _, err := w.api().Workers(t.Context(), "flowbed-dev"); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("while the API is down: have %v", err)
		}
		time.Sleep(time.Minute + 30*time.Second)
		w.wantStatus("when the API is there again", "ONLINE")
	})
}

// TestPrefect1 boots an agent of Prefect 1.
func TestPrefect1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.common.Secret, w.common.Prefect, w.common.APIURL = nil, "1.4.1", "http://prefect.example.com:4200"
		w.run(try.Must(templates.Prefect1Agent(w.common, []string{"a", "b"}, templates.Tasks{})))
		time.Sleep(boot + setup + 25*time.Second)
		list := try.Must(w.api().Agents(t.Context()))
		if len(list) != 1 || list[0].Name != "dev-"+w.id || !slices.Equal(list[0].Labels, []string{"a", "b"}) || !list[0].Alive(time.Now()) ||
			time.Since(list[0].Queried) != 5*time.Second {
			t.Fatalf("have %+v", list)
		}
		try.OK(w.api().DeleteAgent(t.Context(), list[0].ID))
		if list := try.Must(w.api().Agents(t.Context())); len(list) > 0 {
			t.Errorf("after its deletion: have %+v", list)
		}
	})
}

// TestRestart runs the scripts of `flowbed agent` on the instance.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.putKey(key)
		w.makePool()
		w.run(templates.Prefect3Agent(w.common, w.worker))
		try.Must(w.iam.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{
			RoleName: aws.String("agent"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")}))
		run := func(script string) (string, int32) {
			t.Helper()
			sent, err := w.ssm.SendCommand(t.Context(), &ssm.SendCommandInput{
				DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{w.id}, Parameters: map[string][]string{"commands": {script}}})
			if err != nil {
				t.Fatal(err)
			}
			out := try.Must(w.ssm.GetCommandInvocation(t.Context(), &ssm.GetCommandInvocationInput{CommandId: sent.Command.CommandId, InstanceId: &w.id}))
			return *out.StandardOutputContent, out.ResponseCode
		}
		const (
			restart = "systemctl restart flowbed-agent.service || exit 1\n  echo 'it has stopped:'\n  journalctl --unit flowbed-agent.service --lines 3 --output cat\n"
			logs    = "journalctl --unit flowbed-agent.service --lines %d --no-pager --output short-iso\n"
		)
		time.Sleep(boot)
		for script, want := range map[string]string{restart: "Unit flowbed-agent.service not found. 1", fmt.Sprintf(logs, 5): "-- No entries -- 0", "ls": "cannot run this script 127"} {
			if text, code := run(script); !strings.HasSuffix(strings.TrimSpace(text)+" "+fmt.Sprint(code), want) {
				t.Errorf("before the end of the setup: %q: have %q, %d, want %q", script, text, code, want)
			}
		}
		time.Sleep(setup)
		if text, code := run(fmt.Sprintf(logs, 1)); text != "2000-01-01T00:03:30+0000 ip-172-31-0-10 prefect[7010]: Worker 'dev-"+w.id+"' started!\n" || code != 0 {
			t.Errorf("have the log %q, %d", text, code)
		}
		if text, code := run(restart); text != "" || code != 0 {
			t.Errorf("restart: have %q, %d", text, code)
		}
		w.putKey("pnu_wrong")
		if text, code := run(restart); !strings.HasPrefix(text, "it has stopped:\n") || !strings.Contains(text, "401 Unauthorized") || code != 1 {
			t.Errorf("restart with a wrong key: have %q, %d", text, code)
		}
		time.Sleep(91 * time.Second)
		w.wantStatus("with a wrong key", "OFFLINE")
	})
}

// TestFollow: the agent's log goes on with what is new, once, also from before the agent is
// installed.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.putKey(key)
		w.makePool()
		w.run(templates.Prefect3Agent(w.common, w.worker))
		try.Must(w.iam.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{
			RoleName: aws.String("agent"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")}))
		time.Sleep(boot)
		ctx, stop := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		time.AfterFunc(setup+time.Minute, func() {
			try.Must(w.ssm.SendCommand(t.Context(), &ssm.SendCommandInput{DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{w.id},
				Parameters: map[string][]string{"commands": {"systemctl restart flowbed-agent.service"}}}))
		})
		time.AfterFunc(setup+2*time.Minute, func() { stop(enough) })
		said := ""
		err := resource.Shell{API: w.ssm, Instance: w.id}.FollowAgentLog(ctx, 100, func(text string) error { said += text + "\n"; return nil })
		if !errors.Is(err, enough) {
			t.Error(err)
		}
		for what, want := range map[string]int{"Worker 'dev-" + w.id + "' started!": 2, "Stopping flowbed-agent.service": 1, "cursor": 0, "No entries": 0} {
			if have := strings.Count(said, what); have != want {
				t.Errorf("%s: %d times, want %d:\n%s", what, have, want, said)
			}
		}
	})
}

// TestLifetime lets an instance end itself, although nobody looks at it then.
func TestLifetime(t *testing.T) {
	for behavior, want := range map[string]string{"stop": "stopped", "terminate": "terminated"} {
		t.Run(behavior, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.common.TTL = time.Hour
				w.edit = func(in *ec2.RunInstancesInput) {
					in.InstanceInitiatedShutdownBehavior = types.ShutdownBehavior(behavior)
				}
				w.run(templates.Prefect3Agent(w.common, w.worker))
				state := func() string {
					out := try.Must(w.ec2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{w.id}}))
					return string(out.Reservations[0].Instances[0].State.Name)
				}
				time.Sleep(boot + time.Hour - time.Second)
				if have := state(); have != "running" {
					t.Errorf("before the deadline: have %s", have)
				}
				time.Sleep(time.Second + boot)
				if have := state(); have != want {
					t.Errorf("after the deadline: have %s, want %s", have, want)
				}
			})
		})
	}
}

// TestLaterRun lets another process, which knows no secret, look at an instance that boots:
// it finds what this process would have found. The file has no secret in it.
func TestLaterRun(t *testing.T) {
	for value, want := range map[string]string{key: "ONLINE", "pnu_wrong_0123456789": "none"} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.Keep = filepath.Join(t.TempDir(), "sandbox.json")
				w.putKey(value)
				w.makePool()
				w.run(templates.Prefect3Agent(w.common, w.worker))
				if text := string(try.Must(os.ReadFile(w.Keep))); strings.Contains(text, value) {
					t.Error("the file has the secret in it")
				}
				later := try.Must(sandbox.Load(w.Keep))
				later.Behavior = w.Behavior
				w.Account, w.ec2 = later, ec2.NewFromConfig(later.Config(region))
				w.wantStatus("at once", "none")
				time.Sleep(boot + setup)
				w.wantStatus("after the setup", want)
			})
		})
	}
}
