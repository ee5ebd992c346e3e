package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/crash"
	"github.com/flowbed/flowbed/provision/inventory"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

func (a *app) listCommand() *cobra.Command {
	var all, asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the environments in the account", SuggestFor: []string{"ls", "status"},
		Long: `List the environments in the account, which flowbed finds by their tags: their
age, when they expire, and their resources. List needs no config.hcl.`,
		Example: `  flowbed list --region eu-central-1
  flowbed list --all-regions --json`,
		Args: noArgs,
	}
	c.Flags().BoolVar(&all, "all-regions", false, "search all regions that are enabled in the account")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document (docs/json.md)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		found, err := a.findEnvironments(c.Context(), all)
		if found == nil {
			return err
		}
		o := a.options(os.Stdout)
		o.Verb, o.Header, o.Hint, o.Incomplete = "list", found.header, a.hint, err != nil
		if asJSON {
			return errors.Join(view.EnvironmentsJSON(a.out, found.list, time.Now(), err, false, o), err)
		}
		shown := view.Environments(a.out, found.list, time.Now(), o)
		if len(found.list) == 0 && !all && err == nil {
			a.note("Only region %s was searched; `flowbed list --all-regions%s` searches all.", found.header.Region, a.accountFlags())
		}
		return errors.Join(shown, err)
	}
	return c
}

// environmentList is the result of findEnvironments.
type environmentList struct {
	header view.Header
	list   []view.Environment // by region and name
}

// findEnvironments searches one region or all regions. The list is nil if the search
// could not start. Otherwise the error tells which regions or services it could not
// read.
func (a *app) findEnvironments(ctx context.Context, all bool) (*environmentList, error) {
	region := a.firstRegion()
	f, err := spec.Bare("all", spec.Options{Region: region}) // the name is not used
	if err != nil {
		return nil, err
	}
	cfg, _, err := a.configuration(ctx, f)
	if err != nil {
		return nil, err
	}
	id, caller, err := a.identity(ctx, f, cfg)
	if err != nil {
		return nil, err
	}
	out := &environmentList{header: view.Header{
		Account: id.Account, Caller: caller, Region: id.Region, Sandbox: a.sandbox,
	}}
	a.setEndpoints(&out.header, cfg)
	regions := []string{id.Region}
	if all {
		out.header.Region = ""
		a.busy("Asking AWS for the regions of the account")
		if regions, err = enabledRegions(ctx, cfg); err != nil {
			return nil, err
		}
	}
	a.searching(regions, 0)
	lists, errs := make([][]inventory.Environment, len(regions)), make([]error, len(regions))
	var wg crash.Group
	var done atomic.Int64
	for i, r := range regions {
		wg.Go(func() {
			defer func() { a.searching(regions, int(done.Add(1))) }()
			at := id
			at.Region = r
			var kinds resource.Searches
			if kinds, errs[i] = stack.Discoverers(stack.NewClients(a.inRegion(cfg, r)), at); errs[i] == nil {
				lists[i], errs[i] = inventory.Region(ctx, r, kinds)
			}
		})
	}
	wg.Wait()
	for _, e := range slices.Concat(lists...) {
		v := view.Environment{Name: e.Name, Region: e.Region, Created: e.Created, Expires: e.Expires, Protected: e.Protected,
			Cost: new(cost.Of(e.Region, e.Costs))}
		for _, o := range e.Objects {
			v.Objects = append(v.Objects, view.Object(o))
		}
		out.list = append(out.list, v)
	}
	return out, errors.Join(errs...)
}

// searching says how many regions have been searched.
func (a *app) searching(regions []string, done int) {
	switch {
	case done > 0 && len(regions) > 1:
		a.counted(done, len(regions), "regions")
	case done > 0:
	case len(regions) == 1:
		a.busy("Searching region %s for environments", regions[0])
	default:
		a.busy("Searching for environments")
		a.counted(0, len(regions), "regions")
	}
}

// firstRegion is the region for the first call: --region, or else the file's. If it is
// empty, the AWS configuration decides.
func (a *app) firstRegion() string {
	if a.region != "" {
		return a.region
	}
	before := a.secrets
	o, err := a.fileOptions()
	a.secrets = before // list prints nothing of the file but the region
	o.Destroy, o.Check = true, nil
	for _, read := range []func(string, spec.Options) (*spec.File, error){spec.Load, spec.Validate} { // one environment, or all
		if f, failed := read(a.config, o); errors.Join(err, failed) == nil && f.Region() != "" {
			return f.Region()
		}
	}
	return ""
}

// enabledRegions lists the regions that are enabled in the account, sorted.
func enabledRegions(ctx context.Context, cfg aws.Config) (names []string, err error) {
	out, err := ec2.NewFromConfig(cfg).DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
	if err != nil {
		return nil, fmt.Errorf("list regions: %w", err)
	}
	for _, r := range out.Regions {
		names = append(names, aws.ToString(r.RegionName))
	}
	slices.Sort(names)
	return names, nil
}

// inRegion returns the configuration for another region.
func (a *app) inRegion(cfg aws.Config, region string) aws.Config {
	if a.account != nil {
		c := a.account.Config(region)
		c.APIOptions = append(c.APIOptions, a.trace()...)
		return c
	}
	c := cfg.Copy()
	c.Region = region
	return c
}
