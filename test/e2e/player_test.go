//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	bridge "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/e2e/fargate"
	"github.com/flowbed/flowbed/test/e2e/moto"
	"github.com/flowbed/flowbed/test/e2e/venv"
)

// needPlayer skips or fails a test that plays Fargate if that is not possible.
func needPlayer(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		able.Without(t, "this test makes namespaces, and needs to be root")
	}
}

const queueARN = "arn:aws:sqs:us-east-1:%s:events"

// playerWorld is an account with what a task needs: a cluster, a role, a log group and secrets.
type playerWorld struct {
	*testing.T
	front  *moto.Front
	player *fargate.Player
	ecs    *ecs.Client
	role   string // ARN
	subnet string
	group  string
}

func newPlayerWorld(t *testing.T) *playerWorld {
	t.Helper()
	tools, err := venv.Tools()
	if err != nil {
		t.Fatal(err)
	}
	w := &playerWorld{T: t, front: account(t)}
	c := w.front.Config("us-east-1")
	w.ecs = ecs.NewFromConfig(c)
	w.player, err = fargate.Start(t.Context(), fargate.Config{Front: w.front, Region: "us-east-1", Venv: tools, Images: []string{"one:1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.player.Stop()
		for _, err := range w.player.Faults() {
			t.Error(err)
		}
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{})
	must(err)
	roles := iam.NewFromConfig(c)
	role, err := roles.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("execution"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	must(err)
	w.role = *role.Role.Arn
	_, err = roles.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{
		RoleName: aws.String("execution"), PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy")})
	must(err)
	_, err = roles.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("execution"), PolicyName: aws.String("secrets"), PolicyDocument: aws.String(fmt.Sprintf(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssm:GetParameters","secretsmanager:GetSecretValue"],`+
				`"Resource":["arn:aws:ssm:us-east-1:%[1]s:parameter/allowed","arn:aws:secretsmanager:us-east-1:%[1]s:secret:allowed-*"]}]}`, w.front.Account))})
	must(err)
	putSecret(t, w.front, "/allowed", "the allowed value")
	putSecret(t, w.front, "/other", "the other value")
	_, err = cloudwatchlogs.NewFromConfig(c).CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/one")})
	must(err)
	w.network()
	return w
}

// network finds a subnet of the default VPC, and a security group.
func (w *playerWorld) network() {
	w.Helper()
	api := ec2.NewFromConfig(w.front.Config("us-east-1"))
	subnets, err := api.DescribeSubnets(w.Context(), &ec2.DescribeSubnetsInput{})
	if err != nil || len(subnets.Subnets) == 0 {
		w.Fatalf("find a subnet: %v", err)
	}
	groups, err := api.DescribeSecurityGroups(w.Context(), &ec2.DescribeSecurityGroupsInput{})
	if err != nil || len(groups.SecurityGroups) == 0 {
		w.Fatalf("find a security group: %v", err)
	}
	w.subnet, w.group = *subnets.Subnets[0].SubnetId, *groups.SecurityGroups[0].GroupId
}

// run runs a task, with the environment of the call, and waits until it has a status.
func (w *playerWorld) run(until, image, command string, secrets map[string]string) types.Task {
	w.Helper()
	d := types.ContainerDefinition{
		Name: aws.String("one"), Image: &image, Command: []string{"sh", "-c", command}, Environment: []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("definition")}},
		LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": "/one", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "one"}},
	}
	for name, from := range secrets {
		d.Secrets = append(d.Secrets, types.Secret{Name: &name, ValueFrom: &from})
	}
	out, err := w.ecs.RunTask(w.Context(), &ecs.RunTaskInput{
		TaskDefinition: w.register(d), LaunchType: types.LaunchTypeFargate, NetworkConfiguration: w.networkInput(),
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{
			{Name: aws.String("one"), Environment: []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("call")}}}}},
		Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	})
	if err != nil || len(out.Tasks) != 1 {
		w.Fatalf("run a task: %v, %v", out, err)
	}
	return w.waits(*out.Tasks[0].TaskArn, until)
}

func (w *playerWorld) networkInput() *types.NetworkConfiguration {
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{w.subnet}, SecurityGroups: []string{w.group}}}
}

// register registers a task definition, and returns its ARN.
func (w *playerWorld) register(d types.ContainerDefinition) *string {
	w.Helper()
	out, err := w.ecs.RegisterTaskDefinition(w.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("one"), Cpu: aws.String("256"), Memory: aws.String("512"), NetworkMode: types.NetworkModeAwsvpc, ExecutionRoleArn: &w.role,
		TaskRoleArn: &w.role, ContainerDefinitions: []types.ContainerDefinition{d}, RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
	})
	if err != nil {
		w.Fatal(err)
	}
	return out.TaskDefinition.TaskDefinitionArn
}

// waits waits until a task has a status.
func (w *playerWorld) waits(arn, status string) (t types.Task) {
	w.Helper()
	eventually(w.T, "the task is "+status, func() bool {
		out, err := w.ecs.DescribeTasks(w.Context(), &ecs.DescribeTasksInput{Tasks: []string{arn}, Include: []types.TaskField{types.TaskFieldTags}})
		if err != nil || len(out.Tasks) != 1 {
			w.Fatalf("describe the task: %v, %v", out, err)
		}
		t = out.Tasks[0]
		if *t.LastStatus == "STOPPED" && status != "STOPPED" {
			w.Fatalf("the task has stopped: %s", aws.ToString(t.StoppedReason))
		}
		return *t.LastStatus == status
	})
	return t
}

// TestPlayer checks what a task of the player gets, and how it ends.
func TestPlayer(t *testing.T) {
	needPlayer(t)
	t.Parallel()
	w := newPlayerWorld(t)
	arn := "arn:aws:ssm:us-east-1:" + w.front.Account + ":parameter/"
	for _, c := range []struct {
		what, image, command string
		secrets              map[string]string
		exit                 int32 // -1 for none
		said, reason         string
	}{
		{"environment", "one:1", `echo $A $SECRET $(pwd); exit 3`, map[string]string{"SECRET": arn + "allowed"}, 3, "call the allowed value /opt/prefect\n", "Essential container"},
		{"a secret that exists in Secrets Manager", "one:1", `echo $SECRET`, map[string]string{"SECRET": w.putManaged() + ":password::"}, 0, "managed\n", "Essential container"},
		{"isolation", "one:1", `ls /var/lib /boot 2>/dev/null; echo $$ | sed 's/./x/g' | cut -c1-1; cat /proc/net/dev | grep -c :`, nil, 0, "x\n1\n", "Essential container"},
		{"credentials", "one:1", `curl -s 169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI | grep -o '"AccessKeyId":"[A-Z]*"'`, nil, 0, `"AccessKeyId":"ASIAEXECUTION"` + "\n", "Essential container"},
		{"metadata", "one:1", `curl -s $ECS_CONTAINER_METADATA_URI_V4/task | grep -o '"Family":"[a-z]*"'`, nil, 0, `"Family":"one"` + "\n", "Essential container"},
		{"another secret", "one:1", "true", map[string]string{"SECRET": arn + "other"}, -1, "", "AccessDeniedException"},
		{"no such secret", "one:1", "true", map[string]string{"SECRET": "arn:aws:secretsmanager:us-east-1:" + w.front.Account + ":secret:allowed-none"}, -1, "", "ResourceNotFoundException"},
		{"no such image", "two:1", "true", nil, -1, "", "CannotPullContainerError"},
	} {
		have := w.run("STOPPED", c.image, c.command, c.secrets)
		exit := int32(-1)
		if e := have.Containers[0].ExitCode; e != nil {
			exit = *e
		}
		if said := w.log(*have.TaskArn); exit != c.exit || said != c.said || !strings.Contains(aws.ToString(have.StoppedReason), c.reason) {
			t.Errorf("%s: the task ended with %d, %q, after it said %q; want %d, %q, %q", c.what, exit, aws.ToString(have.StoppedReason), said, c.exit, c.reason, c.said)
		}
		if code := have.StopCode; (code == types.TaskStopCodeTaskFailedToStart) != (c.exit < 0) || len(have.Tags) != 1 {
			t.Errorf("%s: have stop code %s and tags %v", c.what, code, have.Tags)
		}
	}
}

// TestPlayerStops checks that StopTask gives a container time to end, and that ECS tells
// EventBridge, if the queue's policy lets it.
func TestPlayerStops(t *testing.T) {
	needPlayer(t)
	t.Parallel()
	w := newPlayerWorld(t)
	read := w.listens()
	run := w.run("RUNNING", "one:1", `trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.1; done`, nil)
	eventually(t, "the container is ready", func() bool { return strings.Contains(w.player.Tasks()[0].Log, "ready") })
	if out, err := w.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: run.TaskArn, Reason: aws.String("enough")}); err != nil || *out.Task.DesiredStatus != "STOPPED" {
		t.Fatalf("stop the task: %v, %v", out, err)
	}
	stopped := w.waits(*run.TaskArn, "STOPPED")
	if c := stopped.Containers[0]; aws.ToInt32(c.ExitCode) != 7 || aws.ToString(stopped.StoppedReason) != "enough" || stopped.StopCode != types.TaskStopCodeUserInitiated {
		t.Errorf("the task ended with %d, %s, %q", aws.ToInt32(c.ExitCode), stopped.StopCode, aws.ToString(stopped.StoppedReason))
	}
	for status, want := range map[types.DesiredStatus]int{types.DesiredStatusRunning: 0, types.DesiredStatusStopped: 1} {
		if list, err := w.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{DesiredStatus: status}); err != nil || len(list.TaskArns) != want {
			t.Errorf("have the %s tasks %v, %v, want %d", status, list, err, want)
		}
	}
	if have := read(); strings.Join(have, " ") != "PROVISIONING PENDING RUNNING STOPPING DEPROVISIONING STOPPED" {
		t.Errorf("the queue has %v", have)
	}

	// Without a policy, the queue gets nothing.
	url := "http://sqs.us-east-1.amazonaws.com/" + w.front.Account + "/events"
	_, err := sqs.NewFromConfig(w.front.Config("us-east-1")).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: &url, Attributes: map[string]string{"Policy": strings.Replace(w.queuePolicy(), "rule/one", "rule/on", 1)}})
	if err != nil {
		t.Fatal(err)
	}
	w.run("STOPPED", "one:1", "true", nil)
	if have := read(); len(have) > 0 {
		t.Errorf("with a policy for another rule, the queue has %v", have)
	}
}

func (w *playerWorld) queuePolicy() string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage",`+
		`"Resource":"`+queueARN+`","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:us-east-1:%[1]s:rule/one"}}}]}`, w.front.Account)
}

// listens makes a queue and a rule that fills it. It returns what reads the statuses in it.
func (w *playerWorld) listens() func() []string {
	w.Helper()
	queues, rules := sqs.NewFromConfig(w.front.Config("us-east-1")), eventbridge.NewFromConfig(w.front.Config("us-east-1"))
	made, err := queues.CreateQueue(w.Context(), &sqs.CreateQueueInput{QueueName: aws.String("events"), Attributes: map[string]string{"Policy": w.queuePolicy()}})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := rules.PutRule(w.Context(), &eventbridge.PutRuleInput{Name: aws.String("one"), EventPattern: aws.String(
		`{"source":["aws.ecs"],"detail":{"group":[{"prefix":"family:on"}]}}`)}); err != nil {
		w.Fatal(err)
	}
	if _, err := rules.PutTargets(w.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("one"), Targets: []bridge.Target{
		{Id: aws.String("one"), Arn: aws.String(fmt.Sprintf(queueARN, w.front.Account))}}}); err != nil {
		w.Fatal(err)
	}
	return func() (statuses []string) {
		for {
			out, err := queues.ReceiveMessage(w.Context(), &sqs.ReceiveMessageInput{QueueUrl: made.QueueUrl, MaxNumberOfMessages: 1})
			if err != nil {
				w.Fatal(err)
			}
			if len(out.Messages) == 0 {
				return statuses
			}
			var event struct {
				Detail struct {
					Status string `json:"lastStatus"`
				} `json:"detail"`
			}
			if err := json.Unmarshal([]byte(*out.Messages[0].Body), &event); err != nil {
				w.Fatal(err)
			}
			statuses = append(statuses, event.Detail.Status)
		}
	}
}

// log reads what a task has printed from CloudWatch Logs.
func (w *playerWorld) log(arn string) (text string) {
	w.Helper()
	stream := "one/one/" + arn[strings.LastIndex(arn, "/")+1:]
	out, err := cloudwatchlogs.NewFromConfig(w.front.Config("us-east-1")).GetLogEvents(w.Context(), &cloudwatchlogs.GetLogEventsInput{
		LogGroupName: aws.String("/one"), LogStreamName: &stream, StartFromHead: aws.Bool(true)})
	if err != nil {
		return "" // it has not come so far
	}
	for _, e := range out.Events {
		text += *e.Message + "\n"
	}
	return text
}

// putManaged stores a secret in Secrets Manager, and returns its ARN.
func (w *playerWorld) putManaged() string {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.front.URL, strings.NewReader(
		`{"Name":"allowed","SecretString":"{\"password\":\"managed\"}","ClientRequestToken":"0f0e4d2c-0000-4000-8000-00000000000a"}`))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "secretsmanager.CreateSecret")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	var out struct{ ARN string }
	if err := json.NewDecoder(a.Body).Decode(&out); err != nil || out.ARN == "" {
		w.Fatalf("store a secret: %v, %v", a.Status, err)
	}
	return out.ARN
}
