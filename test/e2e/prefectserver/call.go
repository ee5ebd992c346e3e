package prefectserver

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Worker is a worker as the server shows it.
type Worker struct {
	Name      string    `json:"name"`
	Status    string    `json:"status"`
	Heartbeat time.Time `json:"last_heartbeat_time"`
}

// Workers lists the workers of a pool. A missing pool has none.
func (s *Server) Workers(ctx context.Context, pool string) ([]Worker, error) {
	status, answer, err := s.Call(ctx, http.MethodPost, "/work_pools/"+url.PathEscape(pool)+"/workers/filter", map[string]any{})
	if err != nil {
		return nil, err
	}
	if status == http.StatusNotFound {
		return nil, nil
	}
	var list []Worker
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, fmt.Errorf("list workers: status %d: %w: %s", status, err, answer)
	}
	return list, nil
}

// Call calls the server's API, with the authentication that its options require. The path
// starts after /api. It returns any status and body without an error. It repeats a call to
// which the server answers that it is unavailable: on a busy machine, its database may be
// locked.
func (s *Server) Call(ctx context.Context, method, path string, in any) (int, []byte, error) {
	header := http.Header{}
	if s.CSRF && method != http.MethodGet {
		token, err := s.token(ctx)
		if err != nil {
			return 0, nil, err
		}
		header.Set("Prefect-Csrf-Token", token)
		header.Set("Prefect-Csrf-Client", csrfClient)
	}
	for {
		status, answer, err := s.send(ctx, method, path, header, in)
		if err != nil || status != http.StatusServiceUnavailable {
			return status, answer, err
		}
		select {
		case <-ctx.Done():
			return status, answer, nil
		case <-time.After(time.Second / 2):
		}
	}
}

const csrfClient = "b8f4a6f2-6b55-4b39-9d8b-9e3f3a1c0c11"

func (s *Server) token(ctx context.Context) (string, error) {
	status, answer, err := s.send(ctx, http.MethodGet, "/csrf-token?client="+csrfClient, nil, nil)
	if err != nil {
		return "", err
	}
	var t struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(answer, &t); err != nil || t.Token == "" {
		return "", errors.Join(fmt.Errorf("get a CSRF token: status %d: %s", status, answer), err)
	}
	return t.Token, nil
}

func (s *Server) send(ctx context.Context, method, path string, header http.Header, in any) (int, []byte, error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.API+path, body)
	if err != nil {
		return 0, nil, err
	}
	if header != nil {
		r.Header = header
	}
	r.Header.Set("Content-Type", "application/json")
	if s.Auth != "" {
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(s.Auth)))
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}
