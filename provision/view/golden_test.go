package view

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares a text with its file.
func golden(t *testing.T, name, have string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), have); d != "" {
		t.Errorf("%s (-want +have):\n%s", path, d)
	}
}

var testHeader = Header{
	Environment: "dev", Account: "123456789012", Caller: "arn:aws:iam::123456789012:user/ada", Region: "eu-central-1",
}

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},` +
	`"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}}]}`

const oldPolicy = `{"Statement":[
	{"Sid":"List","Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws:s3:::flows"},
	{"Sid":"Objects","Effect":"Allow","Action":["s3:PutObject","s3:GetObject","s3:DeleteBucket"],
	 "Resource":["arn:aws:s3:::flows/*"],"Condition":{"Bool":{"aws:SecureTransport":"true"}}},
	{"Sid":"Old","Effect":"Allow","Action":"sqs:*","Resource":"*"}],"Version":"2012-10-17"}`

const newPolicy = `{"Version":"2012-10-17","Statement":[
	{"Sid":"List","Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::flows"},
	{"Sid":"Objects","Effect":"Allow","Action":["s3:GetObject","s3:PutObject","s3:DeleteObject"],
	 "Resource":"arn:aws:s3:::flows/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`

var (
	text, doc = provision.Text, provision.JSON
	ours      = provision.Owner{By: "dev@eu-central-1"}
	theirs    = provision.Owner{By: "prod@eu-central-1"}
)

// creation is the plan of an empty account.
var creation = provision.Plan{Actions: []provision.Action{
	{Step: "bucket", Op: provision.Create, Changes: []provision.Change{
		{Field: "name", To: text("flowbed-dev-123456789012-eu-central-1-an")},
		{Field: "public access", To: text("blocked")},
		{Field: "versioning", To: text("on")},
	}},
	{Step: "task role", Op: provision.Create, Changes: []provision.Change{
		{Field: "tags", To: text("Name=flowbed-dev-task, flowbed:environment=dev")},
		{Field: "trust policy", To: doc(trust)},
		{Field: "policy flows", To: doc(newPolicy)},
		{Field: "lifecycle", To: doc(`{"Rules":[{"ID":"uploads","Days":7}]}`)},
		{Field: "broken", To: doc(`{"Rules":`)},
	}},
	{Step: "cluster", Op: provision.Use, Notes: []provision.Note{{Severity: provision.Warn, Text: "has no capacity provider FARGATE_SPOT: flows that ask for it will not start"}}},
	{Step: "execution role", Op: provision.Use, Owner: theirs},
	{Step: "api key parameter", Op: provision.Create, Changes: []provision.Change{{Field: "value", To: provision.Secret()}}},
	{Step: "agent instance", Op: provision.Create, Changes: []provision.Change{
		{Field: "type", To: text("t2.micro")}, {Field: "profile", To: provision.Unknown()},
		{Field: "user data", To: provision.Script(newScript)},
	}, Notes: []provision.Note{{Severity: provision.Info, Text: "costs about 0.0134 USD an hour"}}},
}}

// drift is the plan of an account that was changed by hand.
var drift = provision.Plan{Actions: []provision.Action{
	{Step: "bucket", Owner: ours},
	{Step: "task role", Op: provision.Update, Owner: ours, Changes: []provision.Change{
		{Field: "tags", From: text("team=ml"), To: text("team=data")},
		{Field: "policy flows", From: doc(oldPolicy), To: doc(newPolicy)},
		{Field: "policy stray", From: doc(trust)},
		{Field: "policy lost", To: doc(trust)},
		{Field: "managed policy", To: text("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")},
		{Field: "managed policy", From: text("arn:aws:iam::aws:policy/AdministratorAccess")},
	}},
	{Step: "api key parameter", Op: provision.Update, Owner: ours, Changes: []provision.Change{
		{Field: "value", From: provision.Secret(), To: provision.Secret(), Why: "the key in the spec is another"}}},
	{Step: "log group", Owner: ours, Notes: []provision.Note{{Severity: provision.Info, Text: "holds 12 GB"}}},
	{Step: "adopted role", Op: provision.Update, Changes: []provision.Change{{Field: "tags", To: text("flowbed:environment=dev")}}},
	{Step: "agent instance", Op: provision.Replace, Owner: ours, Changes: []provision.Change{
		{Field: "user data", From: provision.Script(oldScript), To: provision.Script(newScript),
			Replace: true, Why: "it is read only when the instance starts", Causes: []string{"prefect 3.9.0 → 3.9.1", "agent.setup changed"}},
		{Field: "type", From: text("t2.micro"), To: text("t3.small"), Replace: true},
		{Field: "subnet", From: text("subnet-1"), To: provision.Unknown()},
	}},
	{Step: "old group", Op: provision.Delete, Owner: ours, Notes: []provision.Note{{Severity: provision.Info, Text: "the spec no longer has it"}}},
}}

var errDenied = errors.New("AccessDenied: not authorized to perform ec2:DescribeVpcs")

// trouble is a plan that cannot be carried out.
var trouble = provision.Plan{Actions: []provision.Action{
	{Step: "network", Err: errDenied},
	{Step: "agent security group", Err: errDenied, Awaits: "network"},
	{Step: "task role", Op: provision.Conflict, Owner: theirs, Notes: []provision.Note{
		{Severity: provision.Error, Text: "already exists and belongs to environment prod@eu-central-1"}}},
	{Step: "bucket", Op: provision.Create, Changes: []provision.Change{{Field: "name", To: text("flows")}},
		Notes: []provision.Note{{Severity: provision.Error, Text: "the name is taken"}}},
}}

var removal = provision.Plan{Actions: []provision.Action{
	{Step: "agent instance", Op: provision.Delete, Owner: ours},
	{Step: "api key parameter"},
	{Step: "cluster", Op: provision.Skip, Notes: []provision.Note{{Severity: provision.Info, Text: "was created outside flowbed"}}},
	{Step: "execution role", Op: provision.Release, Owner: theirs, Notes: []provision.Note{{Severity: provision.Info, Text: "still used by prod@eu-central-1"}}},
	{Step: "bucket", Op: provision.Delete, Owner: ours, Notes: []provision.Note{{Severity: provision.Error, Text: "holds 3 objects and 5 versions; --force-destroy-bucket deletes them"}}},
}}

var unchanged = provision.Plan{Actions: []provision.Action{
	{Step: "bucket", Owner: ours}, {Step: "task role", Owner: ours}, {Step: "cluster", Op: provision.Use},
}}

// hostile holds what must not reach a terminal as it is, and wide characters.
var hostile = provision.Plan{Actions: []provision.Action{
	{Step: "bucket 桶", Op: provision.Update, Owner: ours, Changes: []provision.Change{
		{Field: "tags", From: text("team=\x1b[2J\x1b[1;1Hhacked\u202e"), To: text("team=Datenströme 流れ床")},
		{Field: "policy", From: doc(`{"a":"\u001b[2J"}`), To: doc(`{"a":"x","b":[1,2]}`)},
	}},
	{Step: "агент", Op: provision.Create, Changes: []provision.Change{{Field: "имя", To: text("e\u0301ne\u0301")}}},
}}

func TestPlan(t *testing.T) {
	sandbox, moto := testHeader, testHeader
	sandbox.Sandbox = true
	moto.Endpoint = "http://127.0.0.1:5000"
	for _, c := range []struct {
		name string
		plan provision.Plan
		o    Options
	}{
		{"creation", creation, Options{Width: 100, Header: testHeader}},
		{"creation-compact", creation, Options{Width: 100, Header: testHeader, Compact: true}},
		{"creation-full", creation, Options{Width: 100, Header: testHeader, Full: true}},
		{"creation-40", creation, Options{Width: 40, Header: testHeader}},
		{"creation-color", creation, Options{Width: 100, Header: sandbox, Color: true}},
		{"drift", drift, Options{Width: 100, Header: testHeader}},
		{"drift-compact", drift, Options{Width: 80, Header: testHeader, Compact: true}},
		{"drift-full", drift, Options{Header: testHeader, Full: true}},
		{"drift-40", drift, Options{Width: 40, Header: testHeader}},
		{"drift-color", drift, Options{Width: 100, Header: testHeader, Color: true}},
		{"trouble-compact", trouble, Options{Header: moto, Compact: true}},
		{"trouble", trouble, Options{Width: 100, Header: moto}},
		{"unchanged", unchanged, Options{Width: 100, Header: testHeader, Verb: "up"}},
		{"unchanged-full", unchanged, Options{Width: 100, Header: testHeader, Verb: "up", Full: true}},
		{"down", removal, Options{Width: 100, Header: testHeader, Verb: "down"}},
		{"down-nothing", provision.Plan{Actions: removal.Actions[1:3]}, Options{Verb: "down"}},
		{"hostile", hostile, Options{Width: 60}},
		{"endpoints", creation, Options{Width: 100, Header: spread("")}},
		{"cost", unchanged, Options{Width: 100, Header: testHeader, Verb: "up", Cost: someCost}},
		{"cost-40", unchanged, Options{Width: 40, Header: testHeader, Verb: "up", Cost: someCost, Color: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if err := Plan(&b, c.plan, c.o); err != nil {
				t.Fatal(err)
			}
			golden(t, "plan/"+c.name, b.String())
			if s := b.String(); !c.o.Color && strings.ContainsRune(s, '\x1b') {
				t.Error("an escape sequence without colour")
			}
		})
	}
}

// full is a stream that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriteErrorsAreReturned(t *testing.T) {
	for name, err := range map[string]error{
		"plan":    Plan(full{}, creation, Options{}),
		"error":   Error(full{}, errDenied, Options{}),
		"json":    PlanJSON(full{}, testHeader, "up", creation, nil),
		"outputs": OutputsJSON(full{}, testHeader, nil),
		"lines":   NewJSONLines(full{}, Options{}).Done(Outcome{}),
		"plain":   NewLog(full{}, Options{}).Done(Outcome{}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
