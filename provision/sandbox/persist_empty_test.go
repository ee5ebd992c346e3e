package sandbox_test

import (
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

// TestLoadEmptied saves and loads an account from which everything was deleted,
// and uses it again.
func TestLoadEmptied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.json")
	for range 2 {
		a := try.Must(sandbox.Load(path))
		putSecret(t, a, secret)
		try.Must(ssm.NewFromConfig(a.Config("us-east-1")).DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String("/key")}))
		logs := cloudwatchlogs.NewFromConfig(a.Config("us-east-1"))
		try.Must(logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/one")}))
		try.Must(logs.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("/one")}))
		if err := a.Save(path); err != nil {
			t.Fatal(err)
		}
	}
}
