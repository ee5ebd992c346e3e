//go:build linux

package hypervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// doors are the host's ends of the machine's connections.
type doors struct {
	listeners []net.Listener
	metadata  *http.Server
}

func (c Config) open(ctx context.Context, dir string) (*doors, error) {
	d := &doors{metadata: &http.Server{Handler: c.metadata(), ReadHeaderTimeout: time.Minute}}
	var end net.ListenConfig
	l, err := end.Listen(ctx, "unix", filepath.Join(dir, "metadata"))
	if err != nil {
		return d, err
	}
	go func() { _ = d.metadata.Serve(l) }() // until close
	for _, port := range c.Doors {
		l, err := end.Listen(ctx, "unix", filepath.Join(dir, fmt.Sprint(port)))
		if err != nil {
			return d, err
		}
		d.listeners = append(d.listeners, l)
		go Forward(context.WithoutCancel(ctx), l, fmt.Sprintf("127.0.0.1:%d", port))
	}
	return d, nil
}

func (d *doors) close() {
	_ = d.metadata.Close()
	for _, l := range d.listeners {
		_ = l.Close()
	}
}

// metadata is the instance metadata service, version 2 only.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
func (c Config) metadata() http.Handler {
	const token = "AQAEAHSI-token=="
	answers := map[string]string{
		"/latest/meta-data/instance-id": c.ID,
	}
	if c.Role != "" {
		keys, _ := json.Marshal(map[string]string{ // strings only
			"Code": "Success", "Type": "AWS-HMAC",
			"AccessKeyId": c.Keys.ID, "SecretAccessKey": c.Keys.Secret, "Token": c.Keys.Token,
			"LastUpdated": time.Now().UTC().Format(time.RFC3339),
			"Expiration":  time.Now().Add(6 * time.Hour).UTC().Format(time.RFC3339),
		})
		answers["/latest/meta-data/iam/security-credentials"] = c.Role
		answers["/latest/meta-data/iam/security-credentials/"+c.Role] = string(keys)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/latest/api/token" {
			if r.Method != http.MethodPut || r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") == "" {
				http.Error(w, "a request for a token needs PUT and a time to live", http.StatusBadRequest)
				return
			}
			_, _ = io.WriteString(w, token)
			return
		}
		if r.Header.Get("X-aws-ec2-metadata-token") != token {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		answer, ok := answers[strings.TrimSuffix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, answer)
	})
}
