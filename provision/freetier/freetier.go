// Package freetier asks AWS which plan an account has: since July 2025, a new account is on
// the free plan until somebody upgrades it, and EC2 then launches only some instance types.
//
// It stands in for the SDK's client of this service. Flowbed makes one of its calls, and
// without an answer it goes on all the same, so the package has no retries.
package freetier

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The service has one endpoint for all regions.
// https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Operations_AWS_Free_Tier.html
const (
	endpoint  = "https://freetier.us-east-1.api.aws"
	region    = "us-east-1"
	target    = "AWSFreeTierService"
	serviceID = "FreeTier"
)

// timeout is short, because the answer only adds a warning.
const timeout = 3 * time.Second

// Free is the plan of an account that can launch only some instance types.
const Free = "FREE"

// Client calls the service.
type Client struct {
	cfg      aws.Config
	endpoint string
}

// NewFromConfig returns a client, or nil where there is no such service: outside AWS, in
// China and in GovCloud.
func NewFromConfig(cfg aws.Config) *Client {
	if cfg.BaseEndpoint != nil || strings.HasPrefix(cfg.Region, "cn-") || strings.HasPrefix(cfg.Region, "us-gov-") {
		return nil
	}
	return &Client{cfg, endpoint}
}

// GetAccountPlanStateInput has no members.
type GetAccountPlanStateInput struct{}

// GetAccountPlanStateOutput is the plan of the account and its status, such as "ACTIVE".
// https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_freetier_GetAccountPlanState.html
type GetAccountPlanStateOutput struct {
	AccountPlanType   string `json:"accountPlanType"`
	AccountPlanStatus string `json:"accountPlanStatus"`
}

// GetAccountPlanState returns the plan. For an account that is older than the plans, AWS
// answers with an error. Of the configuration's middleware, only that of the first step
// applies: it notes and simulates calls.
func (c *Client) GetAccountPlanState(ctx context.Context, in *GetAccountPlanStateInput) (*GetAccountPlanStateOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	const operation = "GetAccountPlanState"
	stack := middleware.NewStack(operation, smithyhttp.NewStackRequest)
	for _, option := range c.cfg.APIOptions {
		if err := option(stack); err != nil {
			return nil, err
		}
	}
	ctx = middleware.WithOperationName(middleware.WithServiceID(ctx, serviceID), operation)
	ctx = awsmiddleware.SetRegion(ctx, region)
	out, _, err := stack.Initialize.HandleMiddleware(ctx, in, middleware.HandlerFunc(
		func(ctx context.Context, _ any) (any, middleware.Metadata, error) {
			reply, err := c.send(ctx, operation)
			return reply, middleware.Metadata{}, err
		}))
	if err != nil {
		return nil, &smithy.OperationError{ServiceID: serviceID, OperationName: operation, Err: err}
	}
	return out.(*GetAccountPlanStateOutput), nil
}

// send signs and sends a call. The protocol is AWS's JSON 1.0.
func (c *Client) send(ctx context.Context, operation string) (*GetAccountPlanStateOutput, error) {
	body := []byte("{}")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", target+"."+operation)
	credentials, err := c.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("get credentials: %w", err)
	}
	hash := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(hash[:]), "freetier", region, time.Now()); err != nil {
		return nil, err
	}
	reply, err := c.client().Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(reply.Body, 1<<16))
	if err != nil {
		return nil, err
	}
	if reply.StatusCode != http.StatusOK {
		return nil, refusal(text)
	}
	out := &GetAccountPlanStateOutput{}
	return out, json.Unmarshal(text, out)
}

func (c *Client) client() aws.HTTPClient {
	if c.cfg.HTTPClient != nil {
		return c.cfg.HTTPClient
	}
	return http.DefaultClient
}

// refusal is AWS's error in a reply.
func refusal(text []byte) error {
	var said struct {
		Type    string `json:"__type"` // the code, perhaps after the name of the service
		Message string
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return fmt.Errorf("read the error: %w", err)
	}
	code := path.Base(strings.ReplaceAll(said.Type, "#", "/"))
	return &smithy.GenericAPIError{Code: code, Message: said.Message}
}
