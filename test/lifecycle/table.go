package lifecycle

// Cases are all kinds of resources. Each file adds its own.
var Cases []Case

// register adds a case to the table.
func register(c Case) Case {
	Cases = append(Cases, c)
	return c
}
