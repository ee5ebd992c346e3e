package core

import (
	"context"
	"reflect"
	"slices"
)

// handle runs a call from an SDK client and returns its output.
func (a *Account) handle(ctx context.Context, region string, in any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, then, err := a.call(region, in)
	if then != nil {
		then()
	}
	return out, err
}

// call runs one call. It returns the output, and a function to run afterwards.
func (a *Account) call(region string, in any) (any, func(), error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := describe(reflect.TypeOf(in))
	dry := dryRun(in)
	c.Write = c.Write && !dry
	end, err := a.start(c.Write)
	if err != nil {
		return nil, nil, err
	}
	defer end()
	a.catchUp()
	c.Number = len(a.calls) + 1
	if c.Write {
		a.writes++
		c.WriteNo = a.writes
	}
	a.calls = append(a.calls, c)
	op, ok := operations[reflect.TypeOf(in)]
	if !ok {
		return nil, nil, Fail("NotImplemented", "the sandbox does not support the operation %s", c)
	}
	var fault Fault
	if a.Fault != nil {
		fault = a.Fault(c)
	}
	if fault.Refuse != nil {
		return nil, fault.Then, fault.Refuse
	}
	if err := a.authorize(op, c, region, in); err != nil {
		return nil, fault.Then, err
	}
	if dry {
		return nil, fault.Then, Fail("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	out, err := a.execute(op, c, region, in)
	if fault.Lose {
		out, err = a.execute(op, c, region, in)
	}
	if c.Write && a.Keep != "" {
		if kept := a.save(a.Keep); kept != nil {
			return nil, fault.Then, kept
		}
	}
	return out, fault.Then, err
}

// dryRun reports whether a call has its DryRun member set.
func dryRun(in any) bool {
	f := reflect.ValueOf(in).Elem().FieldByName("DryRun")
	if !f.IsValid() {
		return false
	}
	b, ok := f.Interface().(*bool)
	return ok && b != nil && *b
}

// execute runs an operation. A read sees the account as it was before the lag.
func (a *Account) execute(op *operation, c Call, region string, in any) (any, error) {
	r := a.request(region)
	if !c.Write {
		if op.rules.Consistent == nil || !op.rules.Consistent(c.Operation) {
			r.db = a.visible(r.Now.Add(-a.Lag))
		}
		return op.execute(r, in)
	}
	a.dirty = true
	if a.Lag == 0 {
		return op.execute(r, in)
	}
	before := a.db.clone()
	out, err := op.execute(r, in)
	a.past = slices.DeleteFunc(a.past, func(s snapshot) bool { return !s.until.After(r.Now.Add(-a.Lag)) })
	if err == nil {
		a.past = append(a.past, snapshot{until: r.Now, db: before})
	}
	return out, err
}
