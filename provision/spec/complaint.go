package spec

import "github.com/hashicorp/hcl/v2"

// Complaint is something wrong with an environment that only others can tell,
// such as that what is made of it would be too long.
type Complaint struct {
	// Fields are pointers to fields of the environment. The diagnostic points at
	// the first of them that stands in the file, or else at the environment.
	Fields []any

	Summary, Detail string
}

// checkOutside has Options.Check look at an environment in which nothing else is
// wrong.
func (d *decoder) checkOutside(e *Environment) {
	if d.file.o.Check == nil || d.file.o.Removal || d.diags.HasErrors() {
		return
	}
	for _, c := range d.file.o.Check(e) {
		d.errorAt(d.place(c.Fields), c.Summary, c.Detail)
	}
}

func (d *decoder) place(fields []any) hcl.Range {
	for _, f := range fields {
		if d.written(f) {
			return d.given[f].attr.Expr.Range()
		}
	}
	return d.file.block.DefRange()
}
