//go:build linux

package e2e

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/test/e2e/prefectserver"
)

// withWorker returns a config file whose agent reports to a server that requires a secret.
func withWorker(t *testing.T, s *prefectserver.Server) string {
	t.Helper()
	return fmt.Sprintf(`
environment "dev" {
  region = "us-east-1"
  tags   = { cost-center = "42", owner = "data platform" }
  prefect {
    version     = %q
    api_url     = %q
    auth_string = %q

    concurrency_limit = 2
  }
  flows {
    memory                = 4096
    ephemeral_storage_gib = 30
    cpu_architecture      = "ARM64"
    env                   = { TEAM = "data" }
  }
  agent { work_queues = ["etl"] }
}
`, prefectVersion(t), s.API, s.Auth)
}

// launched waits until a running program has launched the environment's instance. It
// returns the instance's id and its user data, as EC2 passes it to the machine.
func launched(t *testing.T, up *program) (id, userData string) {
	t.Helper()
	api := ec2.NewFromConfig(up.front.Config("us-east-1"))
	eventually(t, "an instance", func() bool {
		if !up.runs() {
			up.wait(0) // fails with up's output if up has ended
		}
		out, err := api.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []types.Filter{
			{Name: aws.String("tag:flowbed:environment"), Values: []string{"dev"}},
			{Name: aws.String("instance-state-name"), Values: []string{"running"}},
		}})
		if err != nil || len(out.Reservations) == 0 {
			return false
		}
		id = *out.Reservations[0].Instances[0].InstanceId
		return true
	})
	out, err := api.DescribeInstanceAttribute(t.Context(), &ec2.DescribeInstanceAttributeInput{
		InstanceId: &id, Attribute: types.InstanceAttributeNameUserData})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(out.UserData.Value))
	if err != nil {
		t.Fatalf("the user data of %s: %v", id, err)
	}
	return id, string(raw)
}
