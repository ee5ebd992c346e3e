package core

import (
	"fmt"
	"strings"
	"time"
)

// Request is one call in the hands of an operation.
type Request struct {
	Account   *Account // for its settings
	AccountID string   // the account number
	Region    string   // where the call arrived
	Now       time.Time

	db *database // as this call sees it
}

func (a *Account) request(region string) *Request {
	return &Request{Account: a, AccountID: a.db.Account, Region: region, Now: time.Now(), db: a.db}
}

// Serial is the number that was given out last.
func (r *Request) Serial() int { return r.db.Serial }

// Next gives out a number, which is never given out again.
func (r *Request) Next() int {
	r.db.Serial++
	return r.db.Serial
}

// ID is a new id of EC2's form.
func (r *Request) ID(prefix string) string { return fmt.Sprintf("%s-%017x", prefix, r.Next()) }

// UniqueID is a new id of IAM's form.
func (r *Request) UniqueID(prefix string) string { return fmt.Sprintf("%s%017d", prefix, r.Next()) }

// Partition is that of the caller's region.
func (r *Request) Partition() string {
	switch {
	case strings.HasPrefix(r.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(r.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// ARN names an object of the account; region is empty for global services.
func (r *Request) ARN(service, region, object string) string {
	return strings.Join([]string{"arn", r.Partition(), service, region, r.AccountID, object}, ":")
}

// Caller is the ARN of who calls.
func (r *Request) Caller() string {
	if r.Account.Caller != "" {
		return r.Account.Caller
	}
	return r.ARN("iam", "", "user/sandbox")
}
