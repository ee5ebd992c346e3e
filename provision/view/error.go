package view

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// Error writes what went wrong: for each of the joined errors what was being
// done to which resource, why it failed, what is known about the cause, and what
// to do next. A hint that several errors share is given once, after the last.
func Error(w io.Writer, err error, o Options) error {
	var b strings.Builder
	errs := split(err)
	for i, e := range errs {
		o.error(&b, e)
		hint := o.hint(e)
		if hint != "" && (i+1 == len(errs) || o.hint(errs[i+1]) != hint) {
			o.fit(&b, "  → ", hint, bold)
		}
	}
	return write(w, b.String())
}

func (o Options) error(b *strings.Builder, err error) {
	first := o.paint("error:", red, bold) + " "
	text := o.message(err)
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

func (o Options) hint(err error) string {
	if o.Hint == nil {
		return ""
	}
	return clean(o.Hint(err), true)
}

// split takes joined errors apart, also where they are joined within each other.
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

// operation and coded are what the errors of service clients are known by.
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

// message is an error's text. Where a service answered, its code and message
// stand for the client's account of the request, whose id differs each time; it
// is there with Full.
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

// shorten cuts words that nobody reads: services put whole encoded documents
// into their messages.
func shorten(text string) string {
	const most, kept = 200, 24
	for _, word := range strings.Fields(text) {
		if len(word) > most {
			text = strings.Replace(text, word, strings.ToValidUTF8(word[:kept], "")+"…", 1)
		}
	}
	return text
}

// unanswered is why a call got no reply: there were no credentials to sign it
// with, or nobody was there. The client says it behind the history of its tries.
func unanswered(op operation) string {
	text := op.Error()
	if _, why, ok := strings.Cut(text, "get credentials: "); ok {
		why = strings.TrimPrefix(why, "failed to refresh cached credentials, ")
		if strings.HasPrefix(why, "no EC2 IMDS role found") { // the last place where the client looks
			why = "there are none in the environment, in the profile, or on this machine"
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

func plainly(err error) string {
	text := err.Error()
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
