package stack_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

const keyed = `environment "dev" {
	agent {}
	repository {}
	flows {
		image = "prefecthq/prefect:3.9.1-python3.12"
	}
	prefect {
		api_url = "https://prefect.example.com/api"
		api_key = "pnu_0123456789"
	}
}`

// encryptedWith is a file whose environment has a key.
func encryptedWith(text, arn string) string {
	return strings.Replace(text, "environment \"dev\" {", "environment \"dev\" {\nkms_key = \""+arn+"\"", 1)
}

// keysOf returns the key of each object of an environment.
func keysOf(ctx context.Context, account *sandbox.Account) map[string]string {
	cfg := account.Config(region)
	keys := map[string]string{}
	if out, err := s3.NewFromConfig(cfg).ListBuckets(ctx, &s3.ListBucketsInput{}); err == nil && len(out.Buckets) == 1 {
		e, err := s3.NewFromConfig(cfg).GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: out.Buckets[0].Name})
		if err == nil {
			r := e.ServerSideEncryptionConfiguration.Rules[0]
			keys["bucket"] = aws.ToString(r.ApplyServerSideEncryptionByDefault.KMSMasterKeyID)
			if b := r.BlockedEncryptionTypes; b == nil || len(b.EncryptionType) != 1 || b.EncryptionType[0] != s3types.EncryptionTypeSseC {
				keys["bucket"] = "SSE-C is not blocked any more"
			}
		}
	}
	if out, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{}); err == nil && len(out.LogGroups) == 1 {
		keys["log group"] = aws.ToString(out.LogGroups[0].KmsKeyId)
	}
	if out, err := ssm.NewFromConfig(cfg).DescribeParameters(ctx, &ssm.DescribeParametersInput{}); err == nil {
		for _, p := range out.Parameters {
			if key := aws.ToString(p.KeyId); p.Type == "SecureString" {
				keys["parameter"] = strings.TrimPrefix(key, "alias/aws/ssm")
			}
		}
	}
	if out, err := sqs.NewFromConfig(cfg).ListQueues(ctx, &sqs.ListQueuesInput{}); err == nil {
		for _, url := range out.QueueUrls {
			a, err := sqs.NewFromConfig(cfg).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
			if err == nil {
				keys["queue "+url[strings.LastIndex(url, "-")+1:]] = a.Attributes["KmsMasterKeyId"]
			}
		}
	}
	if out, err := ecr.NewFromConfig(cfg).DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{}); err == nil && len(out.Repositories) == 1 {
		keys["repository"] = aws.ToString(out.Repositories[0].EncryptionConfiguration.KmsKey)
	}
	if out, err := ec2.NewFromConfig(cfg).DescribeVolumes(ctx, &ec2.DescribeVolumesInput{}); err == nil && len(out.Volumes) == 1 {
		keys["volume"] = aws.ToString(out.Volumes[0].KmsKeyId)
	}
	return keys
}

var encryptedObjects = []string{"bucket", "log group", "parameter", "queue events", "queue dlq", "repository", "volume"}

func wantKeys(t *testing.T, account *sandbox.Account, want string, but ...string) {
	t.Helper()
	have := keysOf(t.Context(), account)
	for _, object := range encryptedObjects {
		w := want
		if len(but) == 2 && object == but[0] {
			w = but[1]
		}
		if key, there := have[object]; !there || key != w {
			t.Errorf("the key of the %s is %q (%t), want %q", object, key, there, w)
		}
	}
}

// TestKMSKey takes an environment with a key through its life: without, with, another, and
// without again.
func TestKMSKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		o := stack.Options{Transport: sandbox.Prefect(account)}
		other := newKey(t, account, kms.CreateKeyInput{Policy: aws.String(goodPolicy)})
		up := func(text string) {
			t.Helper()
			if err := build(t, account, text, o).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			if list := changesOf(t, build(t, account, text, o)); len(list) > 0 {
				t.Errorf("up again would change %q", list)
			}
		}
		up(keyed)
		wantKeys(t, account, "")
		up(encryptedWith(keyed, customerKey))
		wantKeys(t, account, customerKey)
		as := o
		as.AsIs = true
		h, err := build(t, account, encryptedWith(keyed, customerKey), as).Hello()
		if err != nil {
			t.Fatal(err)
		}
		h.Timeout = 10 * time.Minute
		if _, err := h.Run(t.Context()); err != nil {
			t.Errorf("hello: %v", err)
		}
		wantKeptKey(t, build(t, account, encryptedWith(keyed, customerKey), o), "")
		wantKeptKey(t, build(t, account, encryptedWith(keyed, other), o), customerKey)
		wantKeptKey(t, build(t, account, keyed, o), customerKey)
		up(encryptedWith(keyed, other))
		wantKeptKey(t, build(t, account, encryptedWith(keyed, other), o), "")
		wantKeys(t, account, other)
		if _, err := kms.NewFromConfig(account.Config(region)).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &other}); err != nil {
			t.Fatal(err)
		}
		up(keyed) // the parameter cannot be decrypted any more
		wantKeys(t, account, "", "repository", other)
		if left, err := build(t, account, encryptedWith(keyed, other), stack.Options{Transport: o.Transport, Destroy: true}).Graph.Down(t.Context()); err != nil || !left.Empty() {
			t.Errorf("down: %v, left %+v", err, left.Actions)
		}
	})
}

// wantKeptKey: a plan that changes the bucket's key says which one the objects keep that are there.
func wantKeptKey(t *testing.T, s *stack.Stack, old string) {
	t.Helper()
	p, err := s.Graph.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range p.Actions {
		if a.Step != "bucket" {
			continue
		}
		says := false
		for _, n := range a.Notes {
			says = says || strings.Contains(n.Text, "objects that are there stay encrypted with "+old+", with which tasks may no longer decrypt")
		}
		if says != (old != "") || old == "" && len(a.Notes) > 0 {
			t.Errorf("the notes of the bucket are %+v, want one of the key %q", a.Notes, old)
		}
	}
}

const goodPolicy = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"},
	{"Effect":"Allow","Principal":{"Service":["logs.eu-central-1.amazonaws.com","events.amazonaws.com"]},"Action":["kms:Encrypt*","kms:Decrypt*",
		"kms:ReEncrypt*","kms:GenerateDataKey*","kms:Describe*"],"Resource":"*"}]}`

func newKey(t *testing.T, account *sandbox.Account, in kms.CreateKeyInput) string {
	t.Helper()
	out, err := kms.NewFromConfig(account.Config(region)).CreateKey(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// notesOfKey are the notes of a plan about the key, and the error that stops up.
func notesOfKey(t *testing.T, account *sandbox.Account, text string) (notes []provision.Note, stops error) {
	t.Helper()
	p, err := build(t, account, text, stack.Options{Transport: sandbox.Prefect(account)}).Graph.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range p.Actions {
		if a.Step == "kms key" {
			notes = a.Notes
		}
	}
	return notes, p.Err()
}

// TestKeyThatWouldBreak: what would break without an error stops up before it changes anything.
func TestKeyThatWouldBreak(t *testing.T) {
	without := func(service string) *string {
		return aws.String(strings.NewReplacer(`"`+service+`",`, "", `,"`+service+`"`, "").Replace(goodPolicy))
	}
	for _, c := range []struct {
		name  string
		in    kms.CreateKeyInput
		spoil func(context.Context, *kms.Client, *string) error
		want  string
	}{
		{"a good key", kms.CreateKeyInput{Policy: aws.String(goodPolicy)}, nil, ""},
		{"no statement for CloudWatch Logs", kms.CreateKeyInput{Policy: without("logs.eu-central-1.amazonaws.com")}, nil,
			"does not let logs.eu-central-1.amazonaws.com use it for the log group /flowbed/dev: it does not allow kms:Encrypt"},
		{"no statement for EventBridge", kms.CreateKeyInput{Policy: without("events.amazonaws.com")}, nil,
			"does not let events.amazonaws.com use it for the event queue"},
		{"AWS's default policy", kms.CreateKeyInput{}, nil, "does not let events.amazonaws.com use it"},
		{"not for the account", kms.CreateKeyInput{Policy: aws.String(strings.Replace(goodPolicy, ":root", ":user/sandbox", 1))}, nil,
			"does not let arn:aws:iam::123456789012:role/flowbed-dev-task use it for the bucket"},
		{"disabled", kms.CreateKeyInput{Policy: aws.String(goodPolicy)}, func(ctx context.Context, api *kms.Client, key *string) error {
			_, err := api.DisableKey(ctx, &kms.DisableKeyInput{KeyId: key})
			return err
		}, "the key is disabled"},
		{"pending deletion", kms.CreateKeyInput{Policy: aws.String(goodPolicy)}, func(ctx context.Context, api *kms.Client, key *string) error {
			_, err := api.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key})
			return err
		}, "the key will be deleted"},
		{"asymmetric", kms.CreateKeyInput{Policy: aws.String(goodPolicy), KeySpec: types.KeySpecRsa2048}, nil, "RSA_2048"},
		{"for signatures of its own", kms.CreateKeyInput{Policy: aws.String(goodPolicy), KeyUsage: types.KeyUsageTypeGenerateVerifyMac, KeySpec: types.KeySpecHmac256}, nil, "HMAC_256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				key := newKey(t, account, c.in)
				if c.spoil != nil {
					if err := c.spoil(t.Context(), kms.NewFromConfig(account.Config(region)), &key); err != nil {
						t.Fatal(err)
					}
				}
				notes, err := notesOfKey(t, account, encryptedWith(keyed, key))
				switch {
				case c.want == "" && (err != nil || len(notes) > 0):
					t.Errorf("the plan has %v, %v", notes, err)
				case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
					t.Errorf("the plan has %v, want %q", err, c.want)
				}
			})
		})
	}
}

// TestKeyThatIsMissing: a key that does not exist stops up, too.
func TestKeyThatIsMissing(t *testing.T) {
	_, err := notesOfKey(t, sandbox.New(), encryptedWith(keyed, strings.Replace(customerKey, "1234abcd", "00000000", 1)))
	if err == nil || !strings.Contains(err.Error(), "does not exist → correct kms_key") {
		t.Errorf("have %v", err)
	}
}

// TestKeyThatMayNotBeRead: what flowbed may not read is a warning that says what must hold.
func TestKeyThatMayNotBeRead(t *testing.T) {
	account := sandbox.New()
	account.ControlPolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":["kms:GetKeyPolicy","kms:DescribeKey"],"Resource":"*"}}`
	notes, err := notesOfKey(t, account, encryptedWith(keyed, customerKey))
	if err != nil || len(notes) != 1 || notes[0].Severity != provision.Warn {
		t.Fatalf("have %v, %v; want one warning", notes, err)
	}
	for _, want := range []string{"needs kms:DescribeKey and kms:GetKeyPolicy", "kms:GenerateDataKey, kms:Decrypt to events.amazonaws.com for the event queue",
		"to logs.eu-central-1.amazonaws.com for the log group", "flowbed policy --for key"} {
		if !strings.Contains(notes[0].Text, want) {
			t.Errorf("the warning does not say %q: %s", want, notes[0].Text)
		}
	}
}

// TestKeyOfFullRepository: images stop the replacement of a repository, unless the file lets
// them go, or keeps its encryption.
func TestKeyOfFullRepository(t *testing.T) {
	for name, c := range map[string]struct {
		block, want string
		key         string
	}{
		"by default":    {"repository {}", "the repository flowbed-dev is not empty: 1 image", ""},
		"force_destroy": {"repository {\nforce_destroy = true\n}", "", customerKey},
		"ignored":       {"repository {\nignore_changes = [\"encryption\"]\n}", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				o := stack.Options{Transport: sandbox.Prefect(account)}
				if err := build(t, account, keyed, o).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				api := ecr.NewFromConfig(account.Config(region))
				if _, err := api.PutImage(t.Context(), &ecr.PutImageInput{
					RepositoryName: aws.String("flowbed-dev"), ImageTag: aws.String("latest"), ImageManifest: aws.String("{}")}); err != nil {
					t.Fatal(err)
				}
				text := encryptedWith(strings.Replace(keyed, "repository {}", c.block, 1), customerKey)
				_, err := notesOfKey(t, account, text)
				if c.want != "" {
					if err == nil || !strings.Contains(err.Error(), c.want) {
						t.Errorf("the plan has %v, want %q", err, c.want)
					}
					return
				}
				if err == nil {
					err = build(t, account, text, o).Graph.Up(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
				if have := keysOf(t.Context(), account)["repository"]; have != c.key {
					t.Errorf("the repository has the key %q, want %q", have, c.key)
				}
			})
		})
	}
}

// TestKeyPolicy: a key with the policy that flowbed prints is a good one.
func TestKeyPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		env := environment(t, encryptedWith(keyed, customerKey), false)
		text, err := stack.KeyPolicy(env, resource.Identity{Env: env.Name, Region: region, Account: sandbox.DefaultAccount, Partition: "aws"})
		if err != nil {
			t.Fatal(err)
		}
		key := newKey(t, account, kms.CreateKeyInput{Policy: &text})
		file := encryptedWith(keyed, key)
		if notes, err := notesOfKey(t, account, file); err != nil || len(notes) > 0 {
			t.Fatalf("the plan has %v, %v", notes, err)
		}
		o := stack.Options{Transport: sandbox.Prefect(account)}
		if err := build(t, account, file, o).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, account, key)
	})
}

// TestKeyPolicyInTheGuide: docs/company.md shows the policy that flowbed prints.
func TestKeyPolicyInTheGuide(t *testing.T) {
	const path, begin = "../../docs/company.md", "<!-- key policy: a test compares it with what flowbed prints -->\n```json\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(page), begin)
	_, tail, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatal("the page has no place for the policy")
	}
	id := resource.Identity{Env: "prod", Region: "us-east-1", Account: sandbox.DefaultAccount, Partition: "aws"}
	env := environment(t, strings.Replace(encryptedWith(keyed, customerKey), `"dev"`, `"prod"`, 1), false)
	policy, err := stack.KeyPolicy(env, id)
	if err != nil {
		t.Fatal(err)
	}
	want := head + begin + policy + "```\n" + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("run go test ./provision/stack -update (-want +have):\n%s", diff)
	}
}
