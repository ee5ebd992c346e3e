// Package freetier is the sandbox's Free Tier: the plan of the account.
//
// It imports no other service.
package freetier

import (
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/freetier"
	"github.com/flowbed/flowbed/provision/sandbox/core"
)

var service = core.NewService("freetier", func(r *core.Request) *core.Request { return r }, core.Rules{Global: true})

func init() { core.Register(service, getAccountPlanState, core.Anything) }

// getAccountPlanState finds no plan for an account that is older than the plans.
func getAccountPlanState(r *core.Request, _ *freetier.GetAccountPlanStateInput) (*freetier.GetAccountPlanStateOutput, error) {
	if r.Account.Plan == "" {
		return nil, &smithy.GenericAPIError{Code: "ResourceNotFoundException", Message: "The account has no plan."}
	}
	return &freetier.GetAccountPlanStateOutput{AccountPlanType: r.Account.Plan, AccountPlanStatus: "ACTIVE"}, nil
}
