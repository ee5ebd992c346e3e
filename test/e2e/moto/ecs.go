package moto

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Object is the body of a call in the JSON protocol, or of its reply.
type Object = map[string]any

// Play answers calls to ECS in moto's place. It may ask moto with [Front.AskECS].
type Play func(ctx context.Context, operation string, in Object) (status int, out Object, err error)

// PlayECS lets play answer all calls to ECS from now on.
func (f *Front) PlayECS(play Play) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ecs = play
}

// player returns what answers calls to ECS; nil if moto does.
func (f *Front) player() Play {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ecs
}

// played lets a play answer a call.
func (f *Front) played(ctx context.Context, r request, play Play) (answer, error) {
	in := Object{}
	if err := json.Unmarshal(r.body, &in); err != nil {
		return answer{}, err
	}
	status, out, err := play(ctx, r.operation, in)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", r.operation, err)
	}
	body, err := json.Marshal(out)
	return answer{status: status, header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, body: body}, err
}

// AskECS lets moto execute a call to ECS, past [Front.PlayECS]. It does not record the call.
func (f *Front) AskECS(ctx context.Context, region, operation string, in Object) (status int, out Object, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.URL+"/", nil)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+operation)
	// moto reads the region from the signature, which it does not check.
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAFRONT/20260101/"+region+"/ecs/aws4_request, SignedHeaders=host, Signature=0")
	a, err := f.corrected(request{Request: r, body: body, service: "ecs", operation: operation})
	if err != nil {
		return 0, nil, err
	}
	if err := json.Unmarshal(a.body, &out); err != nil {
		return 0, nil, fmt.Errorf("%s: moto returned %d: %w: %s", operation, a.status, err, a.body)
	}
	return a.status, out, nil
}
