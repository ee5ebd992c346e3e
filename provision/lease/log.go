package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

// history is the result of one read of the log.
type history struct {
	state
	Versions int   // how many AWS has; 0 if the parameter does not exist
	Newest   int64 // number of the latest version
	now      time.Time
}

// current is the run that holds the lease now, by AWS's clock; nil if nobody does.
func (h history) current() *Held {
	if !h.held(h.now) {
		return nil
	}
	return h.Held
}

// follows reports whether the only entry since an earlier read is the claim of the run
// that holds the lease now. Versions have no gaps. If the parameter was deleted and
// created again, another lease ended last.
func (h history) follows(earlier history) bool {
	last := earlier.Last
	if earlier.Held != nil {
		last = earlier.Held.Nonce
	}
	return h.Newest == earlier.Newest+1 && h.Last == last
}

// seen is what the next entry records about this read.
func (h history) seen() *seen {
	if h.Versions == 0 {
		return nil
	}
	return &seen{Version: h.Newest, State: h.state}
}

// maxReads is how often to read a log that has a gap. Others may append between two
// pages, and then AWS drops the oldest versions.
const maxReads = 3

// read reads and folds the log. A parameter that does not exist is an empty log.
func (l *Lease) read(ctx context.Context) (history, error) {
	var log []version
	var now time.Time
	for try := range maxReads {
		var err error
		if log, now, err = l.fetch(ctx); err != nil {
			return history{}, err
		}
		gap := gapBefore(log)
		if gap == 0 {
			break
		}
		if try == maxReads-1 {
			log = log[gap:] // ignore the versions before the gap
		}
	}
	h := history{Versions: len(log), now: now}
	entries := 0
	for _, v := range log {
		_, err := parse(v.Value)
		if errors.Is(err, errNewer) {
			return h, &ConflictError{Parameter: l.parameter(), Err: err}
		}
		if err == nil {
			entries++
		}
	}
	if len(log) > 0 && entries == 0 {
		return h, &ConflictError{Parameter: l.parameter()}
	}
	if len(log) > 0 {
		h.Newest = log[len(log)-1].Number
	}
	h.state = fold(log)
	if h.now.Before(h.Now) {
		h.now = h.Now // the machine's clock is slow, or the reply has only whole seconds
	}
	return h, nil
}

// gapBefore is the index of the first version after the last gap; 0 if there is none.
func gapBefore(log []version) int {
	for i := len(log) - 1; i > 0; i-- {
		if log[i].Number != log[i-1].Number+1 {
			return i
		}
	}
	return 0
}

// fetch reads all versions, in order, and the time of AWS's clock.
func (l *Lease) fetch(ctx context.Context) ([]version, time.Time, error) {
	byNumber := map[int64]version{}
	now := l.now()
	in := &ssm.GetParameterHistoryInput{Name: aws.String(l.parameter()), MaxResults: aws.Int32(50)}
	for {
		out, err := l.API.GetParameterHistory(ctx, in)
		if awserr.Classify(err) == awserr.Absent {
			return nil, now, nil
		}
		if err != nil {
			return nil, now, fmt.Errorf("read the lock %s: %w", l.parameter(), err)
		}
		now = l.now()
		if t, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
			now = t
		}
		for _, p := range out.Parameters {
			byNumber[p.Version] = version{p.Version, aws.ToTime(p.LastModifiedDate), aws.ToString(p.Value)}
		}
		if aws.ToString(out.NextToken) == "" {
			break
		}
		in.NextToken = out.NextToken
	}
	log := slices.SortedFunc(maps.Values(byNumber), func(a, b version) int { return cmp.Compare(a.Number, b.Number) })
	return log, now, nil
}

// errVanished means that somebody deleted the parameter.
var errVanished = errors.New("the lock's parameter no longer exists")

// write appends an entry after a read of the log and returns its version.
func (l *Lease) write(ctx context.Context, e entry, h history, options ...func(*ssm.Options)) (int64, error) {
	e.Format, e.Time, e.Seen = format, l.now().UTC(), h.seen()
	value, err := e.encode()
	if err != nil {
		return 0, err
	}
	in := &ssm.PutParameterInput{Name: aws.String(l.parameter()), Value: aws.String(value)}
	if h.Versions == 0 {
		// AWS accepts tags only when it creates a parameter.
		in.Type, in.Tier, in.Tags = types.ParameterTypeString, types.ParameterTierStandard, l.tags()
		in.Description = aws.String("Lock of the flowbed environment " + l.ID.Env)
	} else {
		// Without a type the call cannot create the parameter. So it does not bring
		// back, without tags, a parameter that another run has just deleted.
		in.Overwrite = aws.Bool(true)
	}
	out, err := l.API.PutParameter(ctx, in, options...)
	if err == nil {
		return out.Version, nil
	}
	if h.Versions > 0 && awserr.Classify(err) == awserr.Invalid {
		if again, readErr := l.read(ctx); readErr == nil && again.Versions == 0 {
			err = errVanished
		}
	}
	return 0, fmt.Errorf("write the lock %s: %w", l.parameter(), err)
}

func (l *Lease) tags() []types.Tag {
	t := l.ID.Tags(l.parameter())
	list := make([]types.Tag, 0, len(t))
	for _, k := range slices.Sorted(maps.Keys(t)) {
		list = append(list, types.Tag{Key: aws.String(k), Value: aws.String(t[k])})
	}
	return list
}
