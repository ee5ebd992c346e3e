package freetier

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
)

// service answers one call.
type service struct {
	status int
	body   string
	silent bool
	asked  *http.Request
}

func (s *service) Do(r *http.Request) (*http.Response, error) {
	s.asked = r
	if s.silent {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: s.status, Body: io.NopCloser(strings.NewReader(s.body)), Request: r}, nil
}

func (s *service) config(region string) aws.Config {
	return aws.Config{Region: region, HTTPClient: s, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
}

// The examples are from AWS's API reference.
func TestGetAccountPlanState(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		plan   string
		code   string
	}{
		"free": {200, `{"accountId":"123456789012","accountPlanType":"FREE","accountPlanStatus":"ACTIVE","accountPlanRemainingCredits":{"amount":99.5,"unit":"USD"}}`, Free, ""},
		"paid": {200, `{"accountId":"123456789012","accountPlanType":"PAID","accountPlanStatus":"NOT_STARTED"}`, "PAID", ""},
		"old":  {400, `{"__type":"com.amazonaws.freetier#ResourceNotFoundException","message":"no plan"}`, "", "ResourceNotFoundException"},
		"no":   {400, `{"__type":"AccessDeniedException","Message":"not authorized"}`, "", "AccessDeniedException"},
		"else": {502, `<html>`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{status: c.status, body: c.body}
			out, err := NewFromConfig(s.config("eu-central-1")).GetAccountPlanState(t.Context(), &GetAccountPlanStateInput{})
			if c.plan != "" {
				if err != nil || out.AccountPlanType != c.plan {
					t.Fatalf("have %+v, %v", out, err)
				}
				return
			}
			api, ok := errors.AsType[smithy.APIError](err)
			if err == nil || ok != (c.code != "") || ok && api.ErrorCode() != c.code {
				t.Errorf("have %v, want %q", err, c.code)
			}
			if !strings.HasPrefix(s.asked.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=key/") ||
				!strings.Contains(s.asked.Header.Get("Authorization"), "/us-east-1/freetier/aws4_request") ||
				s.asked.Header.Get("X-Amz-Target") != "AWSFreeTierService.GetAccountPlanState" || s.asked.URL.String() != endpoint+"/" {
				t.Errorf("have the request %s %v", s.asked.URL, s.asked.Header)
			}
		})
	}
}

// A service that does not answer delays nobody.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, err := NewFromConfig((&service{silent: true}).config("us-east-1")).GetAccountPlanState(t.Context(), &GetAccountPlanStateInput{})
		if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took != timeout {
			t.Errorf("have %v after %s", err, took)
		}
	})
}

func TestNowhere(t *testing.T) {
	elsewhere := (&service{}).config("us-east-1")
	elsewhere.BaseEndpoint = aws.String("http://127.0.0.1:5000")
	for _, cfg := range []aws.Config{elsewhere, (&service{}).config("cn-north-1"), (&service{}).config("us-gov-west-1")} {
		if NewFromConfig(cfg) != nil {
			t.Errorf("there is a client for %s, %v", cfg.Region, cfg.BaseEndpoint)
		}
	}
}
