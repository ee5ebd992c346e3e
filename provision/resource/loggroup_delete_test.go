package resource_test

import (
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// Somebody has turned on deletion protection: down stops before it writes, and goes on when
// a person has turned it off.
func TestProtectedLogGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		api := cloudwatchlogs.NewFromConfig(account.Config("us-east-1"))
		graph := func() *provision.Graph {
			id := resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws", Version: "1.0.0"}
			g := &provision.Graph{Owner: id.Owner(), Retry: awserr.Retry}
			provision.Add(g, "log group", provision.Own, resource.LogGroup{API: api, ID: id, Name: "/flowbed/dev", Days: 30})
			return g
		}
		protect := func(on bool) {
			if _, err := api.PutLogGroupDeletionProtection(t.Context(), &cloudwatchlogs.PutLogGroupDeletionProtectionInput{
				LogGroupIdentifier: aws.String("/flowbed/dev"), DeletionProtectionEnabled: &on,
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := graph().Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		protect(true)
		before := len(account.Writes())
		_, err := graph().Down(t.Context())
		wantError(t, err, "log group: delete: /flowbed/dev has deletion protection → ",
			"aws logs put-log-group-deletion-protection --region us-east-1 --log-group-identifier /flowbed/dev --no-deletion-protection-enabled")
		if n := len(account.Writes()); n > before {
			t.Errorf("down has written before it stopped: %v", account.Writes()[before:])
		}
		protect(false)
		if left, err := graph().Down(t.Context()); err != nil || !left.Empty() {
			t.Errorf("down: %v, left %+v", err, left)
		}
	})
}
