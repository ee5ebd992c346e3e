package main

import (
	"context"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/conn"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/doctor"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/view"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "doctor", Short: "Find problems that would stop up",
		Long: `Check credentials, region, network, names, quotas, permissions and Prefect, and
say what to fix before up. Also name flow runs that wait forever because their
tasks have ended. End with the approximate monthly cost. If you lack the
permission for a check, it is a warning. Doctor changes nothing. It exits with 1
if a check fails, and with 0 otherwise.`,
		Example: `  flowbed doctor
  flowbed doctor --json | jq '.checks[] | select(.status != "ok")'`,
		Args: noArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document (docs/json.md)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		found, header, price, err := a.examine(c.Context())
		if err != nil {
			return err
		}
		list := make([]view.Check, len(found))
		for i, f := range found {
			list[i] = view.Check{Check: f.Check, Status: string(f.Status), Text: f.Text, Todo: f.Todo}
		}
		if asJSON {
			err = view.CheckupJSON(a.out, header, list, price)
		} else {
			o := a.options(os.Stdout)
			o.Header, o.Cost = header, price
			err = view.Checkup(a.out, list, o)
		}
		if err == nil && doctor.Worst(found) == doctor.Fail {
			return coded{code: exitFailed}
		}
		return err
	}
	return c
}

// examine runs all checks. Only a mistake in the file is an error.
func (a *app) examine(ctx context.Context) (found []doctor.Finding, h view.Header, price *cost.Estimate, err error) {
	f, err := a.load(false)
	if err != nil {
		return nil, h, nil, err
	}
	cfg, _, err := a.configuration(ctx, f)
	if err != nil {
		return nil, h, nil, err
	}
	a.busy("Checking AWS credentials")
	id, caller, first := doctor.Who(ctx, cfg, resource.Identity{Env: f.EnvName(), Region: cfg.Region, Version: version}, f.Account())
	h = view.Header{
		Environment: f.EnvName(), Account: id.Account, Caller: caller, Region: cfg.Region, Sandbox: a.sandbox,
	}
	a.setEndpoints(&h, cfg)
	found = append([]doctor.Finding{first}, checkupOfEndpoints(h)...)
	found = append(found, a.checkupOfNetwork(cfg)...)
	if first.Status == doctor.Fail {
		return found, h, nil, nil
	}
	env, err := f.Environment(spec.Place{Account: id.Account, Region: id.Region})
	if err != nil {
		return nil, h, nil, err
	}
	a.secrets = f.Secrets()
	if err := a.warn(f); err != nil {
		return nil, h, nil, err
	}
	a.busy("Checking environment %s in account %s, region %s", h.Environment, h.Account, h.Region)
	d := &doctor.Doctor{Config: cfg, ID: id, Caller: caller, Env: env, Learned: a.learned.add}
	d.Progress = func(done, total int) { a.counted(done, total, "checks") }
	if a.sandbox {
		d.Transport = sandbox.Prefect(a.account)
	} else if d.Transport, err = conn.New(a.network); err != nil {
		return nil, h, nil, usage(err)
	}
	found = append(found, d.Look(ctx)...)
	return found, h, d.Cost(), ctx.Err()
}

// checkupOfNetwork tells what is between this machine and AWS; nothing if the way is straight.
func (a *app) checkupOfNetwork(cfg aws.Config) []doctor.Finding {
	if a.sandbox {
		return nil
	}
	var way []string
	at := &url.URL{Scheme: "https", Host: "sts." + cfg.Region + ".amazonaws.com"}
	if proxy := conn.Proxy(at); proxy != "" {
		way = append(way, "calls to AWS go through the proxy "+proxy)
	}
	if bundle := extraCAFile(cfg); bundle != "" {
		way = append(way, "the CA certificates in "+bundle+" are trusted")
	}
	if len(way) == 0 {
		return nil
	}
	return []doctor.Finding{{Check: "proxy", Status: doctor.OK, Text: strings.Join(way, "; ")}}
}
