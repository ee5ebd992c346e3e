package spec

import "github.com/hashicorp/hcl/v2"

// Complaint is a mistake in an environment that only another package can find, for
// example user data that would be too long for EC2.
type Complaint struct {
	// Fields are pointers to fields of the environment. The diagnostic points at
	// the first of them that the file sets, or else at the environment block.
	Fields []any

	// Summary is a few words. Detail is a sentence; text after " → " is printed as
	// the hint.
	Summary, Detail string
}

// checkOutside calls Options.Check with an environment that passed all other
// checks.
func (d *decoder) checkOutside(e *Environment) {
	if d.file.o.Check == nil || d.file.o.Destroy || d.undecided || d.diags.HasErrors() {
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
