package resource

// The names that objects get whose state does not follow from their names: a plan shows them
// before up. Those of other kinds are in what Predicted returns.

// ObjectName implements provision.Named.
func (g SecurityGroup) ObjectName() string { return g.Name }

// ObjectName implements provision.Named.
func (i Instance) ObjectName() string { return i.Name }

// ObjectName implements provision.Named.
func (p Pool) ObjectName() string { return p.Name }

// ObjectName implements provision.Named.
func (v Service) ObjectName() string { return v.Name }

// ObjectName implements provision.Named.
func (d TaskDefinition) ObjectName() string { return d.Family }

// ObjectName implements provision.Named.
func (v VPC) ObjectName() string { return v.Name }

// ObjectName implements provision.Named.
func (g InternetGateway) ObjectName() string { return g.Name }

// ObjectName implements provision.Named.
func (b ResultBlock) ObjectName() string { return ResultBlockState{Name: b.Name}.Label() }
