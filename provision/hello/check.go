package hello

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/prefect"
)

// check finds out whether a run can start at all. It makes nothing.
func (h *Hello) check(ctx context.Context) error {
	pool, err := h.API.ReadPool(ctx, h.Pool)
	switch {
	case errors.Is(err, prefect.ErrNotFound):
		return &advised{fmt.Errorf("the work pool %s does not exist", h.Pool), "run " + h.up() + " to build the environment"}
	case err != nil:
		return err
	case pool.Type != "ecs":
		return &advised{fmt.Errorf("the work pool %s is of type %q, so its flows do not run on ECS", h.Pool, pool.Type), h.up() + " says what to do"}
	case pool.Paused:
		return &advised{fmt.Errorf("the work pool %s is paused, so no flow starts", h.Pool), "resume it: prefect work-pool resume " + h.Pool}
	}
	if pool.Limit != nil && *pool.Limit == 0 {
		return &advised{fmt.Errorf("the concurrency limit of the work pool %s is 0, so no run starts", h.Pool), raiseLimit}
	}
	if err := h.checkWorkers(ctx); err != nil {
		return err
	}
	_, err = h.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &h.Bucket, ExpectedBucketOwner: &h.ID.Account})
	switch {
	case awserr.Classify(err) == awserr.Absent:
		return &advised{fmt.Errorf("the bucket %s does not exist", h.Bucket), "run " + h.up() + " to build the environment"}
	case err != nil:
		return fmt.Errorf("read bucket %s: %w", h.Bucket, err)
	}
	return nil
}

const raiseLimit = "set concurrency_limit in the prefect block, or raise it in Prefect"

// checkWorkers returns an error if no worker is online.
func (h *Hello) checkWorkers(ctx context.Context) error {
	last, online, err := h.lastWorker(ctx)
	if err != nil {
		return err
	}
	if !online {
		return h.offline(last)
	}
	h.heartbeat = last.Heartbeat
	return nil
}

func (h *Hello) offline(last prefect.Worker) *advised {
	return &advised{fmt.Errorf("no worker of the work pool %s is online%s, so no flow starts", h.Pool, heard(last)), h.startWorker()}
}

// lastWorker returns the worker that reported last, and whether any is online. One that has ended is
// online for Prefect until it has been silent for a while.
func (h *Hello) lastWorker(ctx context.Context) (last prefect.Worker, online bool, err error) {
	rows, err := h.API.Workers(ctx, h.Pool)
	for _, w := range rows {
		online = online || w.Status == "ONLINE"
		if w.Heartbeat.After(last.Heartbeat) {
			last = w
		}
	}
	return last, online, err
}

// heard tells when a worker was last heard of.
func heard(w prefect.Worker) string {
	if w.Name == "" {
		return ""
	}
	return fmt.Sprintf(" (%s last reported at %s)", w.Name, w.Heartbeat.UTC().Format(time.RFC3339))
}

func (h *Hello) startWorker() string {
	if h.Agent {
		return "see why with `flowbed agent logs" + h.Flags + "`; " + h.up() + " repairs the agent"
	}
	return "the file has no agent, so start a worker of your own: `flowbed outputs" + h.Flags + "` shows its command"
}
