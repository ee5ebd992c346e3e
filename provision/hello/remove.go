package hello

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/prefect"
)

// removal limits how long the removal may take. It also happens after an interruption.
const removal = 2 * time.Minute

// handover is how long a worker that has taken a run may need until it tells which task it
// has started.
const handover = 20 * time.Second

// clean ends the run and removes what was made, except what is kept. The context may be
// canceled.
func (f *attempt) clean(ctx context.Context) error {
	if ctx.Err() != nil {
		f.note("interrupted: removing what this run has made")
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), removal)
	defer stop()
	errs := []error{f.end(ctx)}
	if f.Keep && f.stored {
		return errors.Join(errs...)
	}
	if f.run.ID != "" {
		errs = append(errs, f.API.DeleteRun(ctx, f.run.ID))
	}
	if f.deployment != "" {
		errs = append(errs, f.remove(ctx, left{f.deployment, f.flow, f.id}))
	} else if f.flow != "" {
		errs = append(errs, f.API.DeleteFlow(ctx, f.flow))
	}
	return errors.Join(errs...)
}

// end cancels a run that has not ended, and stops its task.
func (f *attempt) end(ctx context.Context) error {
	if f.run.ID == "" {
		return nil
	}
	var errs []error
	if !f.run.State.Final() {
		errs = append(errs, f.API.CancelRun(ctx, f.run.ID, "Canceled by `flowbed hello`."), f.findTask(ctx))
	}
	if f.task.arn == "" || f.task.stopped() {
		return errors.Join(errs...)
	}
	if f.run.State.Type == prefect.Completed || f.run.State.Type == prefect.Failed {
		return errors.Join(errs...) // the task ends by itself
	}
	_, err := f.ECS.StopTask(ctx, &ecs.StopTaskInput{
		Cluster: &f.task.cluster, Task: &f.task.arn, Reason: aws.String("flowbed hello has ended"),
	})
	if err != nil {
		errs = append(errs, fmt.Errorf("stop task %s: %w", f.task.id(), err))
	}
	return errors.Join(errs...)
}

// findTask waits for the task of a run that a worker has taken, unless it is known.
func (f *attempt) findTask(ctx context.Context) error {
	if f.task.arn != "" || f.run.State.Type == prefect.Scheduled {
		return nil
	}
	for began := time.Now(); time.Since(began) < handover; {
		run, err := f.API.ReadRun(ctx, f.run.ID)
		if err != nil {
			return err
		}
		if f.task.cluster, f.task.arn = run.Task(); f.task.arn != "" {
			return nil
		}
		if err := pause(ctx, f.Pace); err != nil {
			return err
		}
	}
	return nil
}

// left is what a run has made.
type left struct{ deployment, flow, id string }

// remove removes the objects first, because the deployment tells of them. The worker registers
// the deployment's task definitions in a family of its own, which has the deployment's id.
func (h *Hello) remove(ctx context.Context, l left) error {
	if err := h.removeObjects(ctx, names.HelloPrefix+l.id+"/"); err != nil {
		return err
	}
	if err := h.deregister(ctx, "prefect_"+h.Pool+"_"+l.deployment); err != nil {
		return err
	}
	return errors.Join(h.API.DeleteDeployment(ctx, l.deployment), h.API.DeleteFlow(ctx, l.flow))
}

// removeObjects removes all versions of the objects whose keys start with a prefix.
func (h *Hello) removeObjects(ctx context.Context, prefix string) error {
	pages := s3.NewListObjectVersionsPaginator(h.S3, &s3.ListObjectVersionsInput{
		Bucket: &h.Bucket, ExpectedBucketOwner: &h.ID.Account, Prefix: &prefix,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if awserr.Gone(err) != nil {
			return fmt.Errorf("list objects in s3://%s/%s: %w", h.Bucket, prefix, err)
		}
		if page == nil {
			return nil
		}
		var batch []s3types.ObjectIdentifier
		for _, v := range page.Versions {
			batch = append(batch, s3types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			batch = append(batch, s3types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		if len(batch) == 0 {
			continue
		}
		out, err := h.S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: &h.Bucket, ExpectedBucketOwner: &h.ID.Account, Delete: &s3types.Delete{Objects: batch, Quiet: aws.Bool(true)},
		})
		if err != nil {
			return fmt.Errorf("delete objects in s3://%s/%s: %w", h.Bucket, prefix, err)
		}
		if len(out.Errors) > 0 {
			e := out.Errors[0]
			return fmt.Errorf("delete s3://%s/%s: %s: %s", h.Bucket, aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))
		}
	}
	return nil
}

// deregister deregisters all task definitions of a family. They cost nothing, so without the
// permission they stay, and that is said.
func (h *Hello) deregister(ctx context.Context, family string) error {
	out, err := h.ECS.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{FamilyPrefix: &family, Status: types.TaskDefinitionStatusActive})
	if err == nil {
		for _, arn := range out.TaskDefinitionArns {
			if _, err = h.ECS.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &arn}); err != nil {
				break
			}
		}
	}
	if err != nil {
		h.note("the task definitions of the family %s stay: %v", family, err)
	}
	return nil
}

// removeLeft removes what runs left that were killed.
func (h *Hello) removeLeft(ctx context.Context) {
	if n, err := h.removeAll(ctx, false); err != nil {
		h.note("cannot remove what an earlier run left: %v", err)
	} else if n > 0 {
		what := "an earlier run"
		if n > 1 {
			what = fmt.Sprintf("%d earlier runs", n)
		}
		h.note("removed what %s left", what)
	}
}

// RemoveKept removes what earlier runs have kept, and what killed runs left. It returns how
// many they were.
func (h *Hello) RemoveKept(ctx context.Context) (int, error) { return h.removeAll(ctx, true) }

func (h *Hello) removeAll(ctx context.Context, kept bool) (n int, err error) {
	list, err := h.API.TaggedDeployments(ctx, h.Pool, tag)
	if err != nil {
		return 0, err
	}
	for _, d := range list {
		id := d.Name[strings.LastIndex(d.Name, "-")+1:]
		due := abandoned(d.Tags, time.Now()) || kept && slices.Contains(d.Tags, tagKept)
		if !due || !madeHere(id) {
			continue
		}
		if err := h.remove(ctx, left{d.ID, d.FlowID, id}); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// madeHere reports whether a text has the form of the ids that newID makes.
func madeHere(id string) bool {
	return len(id) == 8 && !strings.ContainsFunc(id, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') })
}

// abandoned reports whether the run that made a deployment must have ended.
func abandoned(tags []string, now time.Time) bool {
	for _, t := range tags {
		if text, ok := strings.CutPrefix(t, tagUntil); ok {
			until, err := time.Parse(time.RFC3339, text)
			return err == nil && now.After(until)
		}
	}
	return false
}
