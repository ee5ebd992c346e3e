package sandbox

import (
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// TestLoadEmptied: an account from which everything was deleted can be used
// again after it was saved and loaded.
func TestLoadEmptied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.json")
	for range 2 {
		a := must(Load(path))
		putSecret(t, a, secret)
		must(ssm.NewFromConfig(a.Config("us-east-1")).DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String("/key")}))
		logs := cloudwatchlogs.NewFromConfig(a.Config("us-east-1"))
		must(logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/one")}))
		must(logs.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("/one")}))
		if err := a.Save(path); err != nil {
			t.Fatal(err)
		}
	}
}
