package core

import (
	"fmt"
	"strings"
	"time"
)

// Request is one call, as its operation sees it.
type Request struct {
	Account   *Account // for its settings
	AccountID string   // the account number
	Region    string   // of the call
	Now       time.Time

	db *database // the state that this call sees
}

func (a *Account) request(region string) *Request {
	return &Request{Account: a, AccountID: a.db.Account, Region: region, Now: time.Now(), db: a.db}
}

// Serial returns the last number that Next returned.
func (r *Request) Serial() int { return r.db.Serial }

// Next returns a number that it never returns again.
func (r *Request) Next() int {
	r.db.Serial++
	return r.db.Serial
}

// ID returns a new id in EC2's format.
func (r *Request) ID(prefix string) string { return fmt.Sprintf("%s-%017x", prefix, r.Next()) }

// UniqueID returns a new id in IAM's format.
func (r *Request) UniqueID(prefix string) string { return fmt.Sprintf("%s%017d", prefix, r.Next()) }

// Partition returns the partition of the call's region.
func (r *Request) Partition() string {
	switch {
	case strings.HasPrefix(r.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(r.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// ARN returns the ARN of an object in the account. region is empty for global
// services.
func (r *Request) ARN(service, region, object string) string {
	return strings.Join([]string{"arn", r.Partition(), service, region, r.AccountID, object}, ":")
}

// Caller returns the caller's ARN.
func (r *Request) Caller() string {
	if r.Account.Caller != "" {
		return r.Account.Caller
	}
	return r.ARN("iam", "", "user/sandbox")
}
