//go:build linux

package fargate

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/flowbed/flowbed/test/e2e/hypervisor"
	"github.com/flowbed/flowbed/test/e2e/moto"
)

// linkLocal is where a container finds the metadata and the credentials of its task.
const linkLocal = "169.254.170.2"

// listen opens the container's endpoints in its network: those of Fargate, and the doors to
// the host.
func (c *container) listen(ctx context.Context) error {
	addresses := []string{linkLocal + ":80"}
	for _, port := range c.task.p.Doors {
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", port))
	}
	if err := c.listenThere(ctx, addresses); err != nil {
		return err
	}
	c.server = &http.Server{Handler: c.task.endpoints(), ReadHeaderTimeout: time.Minute}
	go func() { _ = c.server.Serve(c.listeners[0]) }() // until remove
	for i, l := range c.listeners[1:] {
		go hypervisor.Forward(context.WithoutCancel(ctx), l, addresses[i+1])
	}
	return nil
}

// listenThere takes this thread into the container's network and back. The thread must not
// end, because the kernel would kill the processes that it has started (Pdeathsig).
func (c *container) listenThere(ctx context.Context, addresses []string) error {
	home, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return err
	}
	defer func() { _ = home.Close() }()
	network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", c.cmd.Process.Pid))
	if err != nil {
		return err
	}
	defer func() { _ = network.Close() }()
	runtime.LockOSThread()
	if err := unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter the container's network: %w", err)
	}
	defer func() {
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
			panic("leave the container's network: " + back.Error()) // the thread is of no use to anybody
		}
		runtime.UnlockOSThread()
	}()
	var here net.ListenConfig
	for _, a := range addresses {
		l, err := here.Listen(ctx, "tcp4", a)
		if err != nil {
			return err
		}
		c.listeners = append(c.listeners, l)
	}
	return nil
}

// endpoints are the metadata of the task, and the credentials of its role.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
func (t *task) endpoints() http.Handler {
	answer := func(w http.ResponseWriter, o moto.Object) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(o) // the caller may be gone
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v4/"+t.id+"-0", func(w http.ResponseWriter, _ *http.Request) { answer(w, t.metadata()) })
	mux.HandleFunc("GET /v4/"+t.id+"-0/task", func(w http.ResponseWriter, _ *http.Request) {
		t.p.mu.Lock()
		defer t.p.mu.Unlock()
		answer(w, moto.Object{
			"Cluster": text(t.view["clusterArn"]), "TaskARN": t.arn, "Family": t.family(), "Revision": fmt.Sprint(t.definition.Revision),
			"DesiredStatus": t.desired, "KnownStatus": t.status, "AvailabilityZone": t.p.Region + "a", "LaunchType": "FARGATE",
			"Containers": []moto.Object{t.metadata()},
		})
	})
	if t.taskRole() != "" {
		mux.HandleFunc("GET /v2/credentials/"+t.id, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, moto.Object{
				"RoleArn": t.taskRole(), "AccessKeyId": KeyOf(t.taskRole()), "SecretAccessKey": "secret", "Token": "token",
				"Expiration": time.Now().Add(6 * time.Hour).UTC().Format(time.RFC3339),
			})
		})
	}
	return mux
}

func (t *task) metadata() moto.Object {
	c := t.only()
	return moto.Object{
		"DockerId": t.id + "-0", "Name": c.Name, "DockerName": c.Name, "Image": c.Image, "Type": "NORMAL", "KnownStatus": "RUNNING",
		"ContainerARN": strings.Replace(t.arn, ":task/", ":container/", 1) + "/" + c.Name,
	}
}
