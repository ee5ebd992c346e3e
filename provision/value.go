package provision

// Value is one side of a difference: a text, a JSON document, a script, a secret, or a
// value that is unknown until up has run. The zero Value is "nothing".
type Value struct {
	kind valueKind
	text string
}

type valueKind int

const (
	nothing valueKind = iota
	plain
	document
	script
	secret
	unknown
)

// Text is a value that a plan may show. An empty text is nothing.
func Text(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{plain, s}
}

// JSON is a document that a view may compare member by member.
func JSON(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{document, s}
}

// Script is a text of many lines, such as a program, that a view may compare line by line.
func Script(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{script, s}
}

// Secret stands for a value that a plan must not show. It does not hold the value.
func Secret() Value { return Value{kind: secret} }

// Unknown stands for a value that an earlier step will provide.
func Unknown() Value { return Value{kind: unknown} }

// Of is the text that f reads from an earlier step's state, or Unknown.
func Of[S any](r Ref[S], f func(S) string) Value {
	if s, ok := r.Get(); ok {
		return Text(f(s))
	}
	return Unknown()
}

// Known reports whether the value is known before up has run.
func (v Value) Known() bool { return v.kind != unknown }

// IsNothing reports whether there is no value on this side.
func (v Value) IsNothing() bool { return v.kind == nothing }

// IsSecret reports whether the value is a secret.
func (v Value) IsSecret() bool { return v.kind == secret }

// IsJSON reports whether the value is a JSON document.
func (v Value) IsJSON() bool { return v.kind == document }

// long reports whether the value does not fit into a sentence.
func (v Value) long() bool { return v.IsJSON() || v.IsScript() }

// IsScript reports whether the value is a script.
func (v Value) IsScript() bool { return v.kind == script }

// String is the value as a plan may show it.
func (v Value) String() string {
	switch v.kind {
	case secret:
		return "(secret)"
	case unknown:
		return "(known after up)"
	}
	return v.text
}
