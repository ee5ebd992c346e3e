package view

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// Error writes each of the joined errors: the step, what failed and why, the cause, and
// what to do next. If several errors in a row have the same hint, it comes once, after
// the last of them.
func Error(w io.Writer, err error, o Options) error {
	var b strings.Builder
	errs := split(err)
	for i, e := range errs {
		hint := o.hint(e)
		o.error(&b, e, hint)
		if hint != "" && (i+1 == len(errs) || o.hint(errs[i+1]) != hint) {
			o.fit(&b, "  → ", hint, bold)
		}
	}
	return write(w, b.String())
}

func (o Options) error(b *strings.Builder, err error, hint string) {
	first := o.paint("error:", red, bold) + " "
	text := withoutHint(o.message(err), hint)
	cause := ""
	if s, ok := errors.AsType[*provision.StepError](err); ok {
		cause = s.Cause
	}
	width := 0
	if o.Width > 0 {
		width = max(o.Width-7, 16)
	}
	for i, l := range wrap(text, width) {
		if i > 0 {
			first = "       "
		}
		b.WriteString(first + l + "\n")
	}
	if cause != "" {
		for _, l := range strings.Split(strings.TrimRight(cause, "\n"), "\n") {
			o.fit(b, "    | ", clean(l, true), dim)
		}
	}
}

// withoutHint removes the hint from a text: errors of Prefect's API contain it.
func withoutHint(text, hint string) string {
	if hint == "" {
		return text
	}
	return strings.TrimSuffix(text, " → "+hint)
}

func (o Options) hint(err error) string {
	if o.Hint == nil {
		return ""
	}
	return clean(o.Hint(err), true)
}

// split returns the single errors of joined errors, at any depth.
func split(err error) (errs []error) {
	if err == nil {
		return nil
	}
	if m, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range m.Unwrap() {
			errs = append(errs, split(e)...)
		}
		return errs
	}
	return []error{err}
}

// operation and coded describe the errors of the SDK's clients.
type (
	operation interface {
		error
		Operation() string
	}
	coded interface {
		error
		ErrorCode() string
		ErrorMessage() string
	}
)

// message is an error's text. If AWS answered, AWS's code and message replace the SDK's
// text, which contains a different request id each time. With Full, the SDK's text
// stays.
func (o Options) message(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if !o.Full {
		text = shorten(plainly(err))
	}
	return clean(text, true)
}

// shorten cuts very long words: AWS puts whole encoded documents into messages.
func shorten(text string) string {
	const most, kept = 200, 24
	for _, word := range strings.Fields(text) {
		if len(word) > most {
			text = strings.Replace(text, word, strings.ToValidUTF8(word[:kept], "")+"…", 1)
		}
	}
	return text
}

// unanswered is why a call got no answer: there are no credentials, or the network
// failed. In the SDK's text, this comes after a list of all attempts.
func unanswered(op operation) string {
	text := op.Error()
	if _, why, ok := strings.Cut(text, "get credentials: "); ok && !errors.As(error(op), new(*url.Error)) || strings.Contains(text, "no EC2 IMDS role found") {
		why = strings.TrimPrefix(why, "failed to refresh cached credentials, ")
		if strings.HasPrefix(why, "no EC2 IMDS role found") { // the last place where the SDK looks
			why = "none in the environment, the profile, or the instance metadata"
		}
		return "no AWS credentials: " + why
	}
	if u, ok := errors.AsType[*url.Error](error(op)); ok {
		host := u.URL
		if p, err := url.Parse(u.URL); err == nil && p.Host != "" {
			host = p.Host
		}
		return fmt.Sprintf("no answer from %s: %v", host, u.Err)
	}
	return text
}

// plain is an error that has a text without the SDK's.
type plain interface {
	error
	Plain() string
}

func plainly(err error) string {
	text := err.Error()
	if p, ok := errors.AsType[plain](err); ok {
		if op, ok := errors.AsType[operation](err); ok && strings.Contains(op.Error(), p.Error()) {
			return strings.Replace(text, op.Error(), p.Plain(), 1)
		}
		return strings.Replace(text, p.Error(), p.Plain(), 1)
	}
	op, ok1 := errors.AsType[operation](err)
	api, ok2 := errors.AsType[coded](err)
	if !ok1 {
		return text
	}
	if !ok2 {
		return strings.Replace(text, op.Error(), unanswered(op), 1)
	}
	said := api.ErrorCode()
	if m := api.ErrorMessage(); m != "" {
		said += ": " + m
	}
	return strings.Replace(text, op.Error(), said, 1)
}
