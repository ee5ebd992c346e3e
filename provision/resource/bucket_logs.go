package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// AccessLogs is where S3 logs the requests to a bucket. Without a name, the bucket's logging is
// neither read nor changed.
type AccessLogs struct {
	Bucket, Prefix string
}

// text is the target as a plan shows it.
func (l AccessLogs) text() string {
	if l.Bucket == "" {
		return ""
	}
	return "s3://" + l.Bucket + "/" + l.Prefix
}

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{awserr.Invalid: `InvalidTargetBucketForLogging CrossLocationLoggingProhibited`},
	Hints: map[string]string{
		"InvalidTargetBucketForLogging":  "the bucket of the access logs must exist in the same account: correct access_logs.bucket",
		"CrossLocationLoggingProhibited": "the bucket of the access logs must be in the same region: correct access_logs.bucket",
	},
})

func (b Bucket) readLogging(ctx context.Context) (*types.LoggingEnabled, error) {
	out, err := b.API.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account})
	if err := b.ignoring("", "read access logs", "s3:GetBucketLogging", err); err != nil {
		return nil, err
	}
	return out.LoggingEnabled, nil
}

// readLogs returns the target of the access logs; empty if there are none, or if the spec says
// nothing of them.
func (b Bucket) readLogs(ctx context.Context) (string, error) {
	if b.Logs.Bucket == "" {
		return "", nil
	}
	have, err := b.readLogging(ctx)
	if err != nil || have == nil {
		return "", err
	}
	return AccessLogs{deref(have.TargetBucket), deref(have.TargetPrefix)}.text(), nil
}

func (b Bucket) logChanges(have string) []provision.Change {
	if b.Logs.Bucket == "" {
		return nil
	}
	return diffText("access logs", have, b.Logs.text(), b.putLogs)
}

// putLogs keeps the form of the keys, which somebody may have chosen.
func (b Bucket) putLogs(ctx context.Context) error {
	have, err := b.readLogging(ctx)
	if err != nil && !errors.Is(err, provision.ErrAbsent) {
		return err
	}
	_, err = b.API.PutBucketLogging(ctx, &s3.PutBucketLoggingInput{
		Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account,
		BucketLoggingStatus: &types.BucketLoggingStatus{LoggingEnabled: &types.LoggingEnabled{
			TargetBucket: &b.Logs.Bucket, TargetPrefix: &b.Logs.Prefix, TargetObjectKeyFormat: deref(have).TargetObjectKeyFormat,
		}},
	})
	return err
}

// LogBucket is the bucket of somebody else in which S3 puts the access logs. flowbed never
// changes it. S3 takes any bucket of the account and the region, and says nothing if it may not
// write there later.
type LogBucket struct {
	API    *s3.Client
	ID     Identity
	Logs   AccessLogs
	Source string // the bucket whose requests are logged
}

// LogBucketState is what may keep S3 from writing the logs.
type LogBucketState struct {
	Notes []provision.Note
}

// Read implements provision.DataSource.
func (l LogBucket) Read(ctx context.Context) (s LogBucketState, err error) {
	checks := []func(context.Context) (string, error){l.found, l.mayWrite, l.encrypted}
	said := make([]string, len(checks))
	reads := make([]func(context.Context) error, len(checks))
	for i, check := range checks {
		reads[i] = func(ctx context.Context) (err error) {
			said[i], err = check(ctx)
			return err
		}
	}
	if err := parallel(ctx, reads...); err != nil {
		return s, err
	}
	for _, text := range said {
		if text != "" {
			s.Notes = append(s.Notes, provision.Note{Severity: provision.Warn, Text: text})
		}
	}
	return s, nil
}

// found looks for the bucket. HeadBucket's errors have no code but the status.
func (l LogBucket) found(ctx context.Context) (string, error) {
	_, err := l.API.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &l.Logs.Bucket, ExpectedBucketOwner: &l.ID.Account})
	if err == nil {
		return "", nil
	}
	status := 0
	if reply, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = reply.HTTPStatusCode()
	}
	switch {
	case status == http.StatusNotFound || slices.Contains([]string{"NotFound", "NoSuchBucket"}, awserr.Code(err)):
		return "", fmt.Errorf("bucket %s of the access logs %w → correct access_logs.bucket", l.Logs.Bucket, provision.ErrAbsent)
	case status == http.StatusMovedPermanently || slices.Contains([]string{"MovedPermanently", "PermanentRedirect"}, awserr.Code(err)):
		return "", fmt.Errorf("bucket %s of the access logs is in another region%s, and S3 writes them only within one → name a bucket in %s in access_logs.bucket",
			l.Logs.Bucket, regionOf(err), l.ID.Region)
	case refused(err):
		return fmt.Sprintf("cannot tell whether bucket %s of the access logs is in this account: that needs s3:ListBucket on it", l.Logs.Bucket), nil
	}
	return "", fmt.Errorf("look for bucket %s of the access logs: %w", l.Logs.Bucket, err)
}

func refused(err error) bool {
	return slices.Contains([]string{"AccessDenied", "Forbidden"}, awserr.Code(err))
}

// unread reports whether a setting of the bucket cannot be told. Found says why, or there is
// none.
func (l LogBucket) unread(none string, err error) bool {
	code := awserr.Code(err)
	return code == none || slices.Contains([]string{"NoSuchBucket", "PermanentRedirect", "MovedPermanently"}, code)
}

// logService is who writes the logs.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
const logService = "logging.s3.amazonaws.com"

func (l LogBucket) mayWrite(ctx context.Context) (string, error) {
	out, err := l.API.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &l.Logs.Bucket, ExpectedBucketOwner: &l.ID.Account})
	switch {
	case refused(err):
		return fmt.Sprintf("cannot tell whether S3 may write access logs to bucket %s: that needs s3:GetBucketPolicy on it", l.Logs.Bucket), nil
	case err != nil && awserr.Code(err) != "NoSuchBucketPolicy":
		if l.unread("", err) {
			return "", nil
		}
		return "", fmt.Errorf("read policy of bucket %s: %w", l.Logs.Bucket, err)
	}
	arn := "arn:" + l.ID.Partition + ":s3:::"
	target := arn + l.Logs.Bucket + "/" + l.Logs.Prefix
	policy := ""
	if out != nil {
		policy = deref(out.Policy)
	}
	if lets(policy, target, arn+l.Source, l.ID.Account) {
		return "", nil
	}
	return fmt.Sprintf("the policy of bucket %s does not let S3 write access logs → allow s3:PutObject on %s* to the service %s, for the source %s",
		l.Logs.Bucket, target, logService, arn+l.Source), nil
}

// lets reports whether a policy lets S3 write the logs, as far as flowbed understands it.
func lets(policy, target, source, account string) bool {
	yes := false
	for _, s := range grantsWithin(policy) {
		if !s.about(logService) || !s.Action.match("s3:putobject", true) || !s.Resource.match(target+"2026-01-01-00-00-00-0123456789ABCDEF", false) {
			continue
		}
		if !s.holds("aws:SourceArn", source) || !s.holds("aws:SourceAccount", account) {
			continue
		}
		if s.Effect == "Deny" {
			return false
		}
		yes = true
	}
	return yes
}

// within is a statement with its conditions.
type within struct {
	grant
	Who       json.RawMessage                  `json:"Principal"`
	Condition map[string]map[string]stringList `json:"Condition"`
}

func grantsWithin(policy string) (list []within) {
	for _, raw := range statementsOf(policy) {
		var s within
		if json.Unmarshal(raw, &s) != nil {
			continue
		}
		var named struct{ Service, AWS stringList }
		if json.Unmarshal(s.Who, &named) == nil {
			s.Principal.Service = append(named.Service, slices.DeleteFunc(named.AWS, func(p string) bool { return p != "*" })...)
		} else {
			s.Principal.Service = stringList{strings.Trim(string(s.Who), `"`)}
		}
		list = append(list, s)
	}
	return list
}

func (s within) about(service string) bool {
	return slices.Contains(s.Principal.Service, service) || slices.Contains(s.Principal.Service, "*")
}

// holds reports whether the statement's conditions on a key hold for a value. S3 writes with
// TLS, so a statement that is about requests without it does not hold. Other conditions count as met.
func (s within) holds(key, value string) bool {
	for operator, keys := range s.Condition {
		for name, values := range keys {
			if strings.EqualFold(name, "aws:SecureTransport") && values.match("false", true) {
				return false
			}
			if strings.EqualFold(name, key) && strings.Contains(operator, "Not") == values.match(value, false) {
				return false
			}
		}
	}
	return true
}

// encrypted warns about keys that S3 does not use for access logs.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
func (l LogBucket) encrypted(ctx context.Context) (string, error) {
	out, err := l.API.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &l.Logs.Bucket, ExpectedBucketOwner: &l.ID.Account})
	if err != nil {
		if refused(err) || l.unread("ServerSideEncryptionConfigurationNotFoundError", err) {
			return "", nil
		}
		return "", fmt.Errorf("read encryption of bucket %s: %w", l.Logs.Bucket, err)
	}
	algorithm, _, _ := strings.Cut(encryptionText(deref(out.ServerSideEncryptionConfiguration)), " ")
	if algorithm == "" || algorithm == string(types.ServerSideEncryptionAes256) {
		return "", nil
	}
	return fmt.Sprintf("bucket %s encrypts with %s, and S3 delivers access logs only to buckets that encrypt with its own keys → name another bucket in access_logs.bucket",
		l.Logs.Bucket, algorithm), nil
}

// Permissions are what Read needs.
func (l LogBucket) Permissions() Permissions {
	return Permissions{Read: []Permission{
		on("arn:"+l.ID.Partition+":s3:::"+l.Logs.Bucket, "s3:ListBucket", "s3:GetBucketPolicy", "s3:GetEncryptionConfiguration"),
	}}
}
