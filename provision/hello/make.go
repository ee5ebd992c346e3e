package hello

import (
	"context"
	_ "embed" // for flow.py
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/prefect"
)

//go:embed flow.py
var code string

// The tags of deployments. The second one tells how long a deployment may be in use. As soon
// as its run has ended, a deployment has another one instead: it is kept, or what belongs to
// it could not be removed.
const (
	tag      = "flowbed-hello"
	tagUntil = "flowbed-hello-until:"
	tagKept  = "flowbed-hello-kept"
	tagEnded = "flowbed-hello-ended"
)

// make makes the deployment first, because a run that is killed later is found by it. An
// interruption lets the calls to Prefect finish: what they make could not be found otherwise.
func (f *attempt) make(ctx context.Context) (err error) {
	whole := context.WithoutCancel(ctx)
	if f.flow, err = f.API.CreateFlow(whole, f.flowName()); err != nil {
		return err
	}
	if f.deployment, err = f.API.CreateDeployment(whole, f.newDeployment()); err != nil {
		return err
	}
	f.stored = true
	key := f.prefix() + names.HelloCode
	_, err = f.S3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &f.Bucket, ExpectedBucketOwner: &f.ID.Account, Key: &key, Body: strings.NewReader(code),
	})
	if err != nil {
		return fmt.Errorf("upload s3://%s/%s: %w", f.Bucket, key, err)
	}
	f.note("uploaded s3://%s/%s", f.Bucket, key)
	f.note("made the deployment %s/%s", f.flowName(), f.deploymentName())
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if f.run, err = f.API.StartRun(whole, f.deployment, f.id); err != nil {
		return err
	}
	f.note("started the flow run %s in the work pool %s", f.run.Name, f.Pool)
	return nil
}

func (f *attempt) newDeployment() prefect.NewDeployment {
	return prefect.NewDeployment{
		Name: f.deploymentName(), FlowID: f.flow, Pool: f.Pool, Queue: f.Queue, Entrypoint: entrypoint,
		Description: "Made by `flowbed hello`, to test the environment " + f.ID.Env + ".",
		Tags:        []string{tag, tagUntil + f.began.Add(f.Timeout+removal).UTC().Format(time.RFC3339)},
		Parameters:  map[string]any{"bucket": f.Bucket, "key": f.resultKey(), "text": f.text},
		Schema:      schema("bucket", "key", "text"),
		// Prefect's image lacks prefect-aws, and an image of one's own may have it: requires
		// installs it only if it is missing.
		PullSteps: []map[string]any{{"prefect_aws.deployments.steps.pull_from_s3": map[string]any{
			"requires": "prefect-aws==" + f.Version.AWS(), "bucket": f.Bucket, "folder": f.codePrefix(),
		}}},
	}
}

// schema describes the parameters of the flow, all of which are strings.
func schema(names ...string) map[string]any {
	properties := map[string]any{}
	for i, n := range names {
		properties[n] = map[string]any{"title": n, "type": "string", "position": i}
	}
	return map[string]any{"title": "Parameters", "type": "object", "properties": properties, "required": names}
}
