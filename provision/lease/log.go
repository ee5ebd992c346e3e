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

// history is the log as one reading showed it.
type history struct {
	state
	Versions int   // how many are kept; 0: there is no parameter
	Newest   int64 // number of the latest version
	now      time.Time
}

// current is who holds the lease now, by AWS's clock; nil if nobody does.
func (h history) current() *Held {
	if !h.held(h.now) {
		return nil
	}
	return h.Held
}

// follows reports whether nothing has been written since an earlier reading but
// the claim of who holds the lease now. Versions have no gaps; and should the
// parameter have been deleted and made again, another lease has ended last.
func (h history) follows(earlier history) bool {
	last := earlier.Last
	if earlier.Held != nil {
		last = earlier.Held.Nonce
	}
	return h.Newest == earlier.Newest+1 && h.Last == last
}

// seen is what an entry that is written next says of this reading.
func (h history) seen() *seen {
	if h.Versions == 0 {
		return nil
	}
	return &seen{Version: h.Newest, State: h.state}
}

// rereads is how often a log with a gap is read again: while one page after the
// other is fetched, others append, and the oldest versions go.
const rereads = 3

// read reads and folds the whole log. A parameter that does not exist is an
// empty log.
func (l *Lease) read(ctx context.Context) (history, error) {
	var log []version
	var now time.Time
	for try := range rereads {
		var err error
		if log, now, err = l.fetch(ctx); err != nil {
			return history{}, err
		}
		gap := gapBefore(log)
		if gap == 0 {
			break
		}
		if try == rereads-1 {
			log = log[gap:] // what is before the gap is as good as lost
		}
	}
	h := history{Versions: len(log), now: now}
	ours := 0
	for _, v := range log {
		_, err := parse(v.Value)
		if errors.Is(err, errNewer) {
			return h, &ForeignError{Parameter: l.parameter(), Err: err}
		}
		if err == nil {
			ours++
		}
	}
	if len(log) > 0 && ours == 0 {
		return h, &ForeignError{Parameter: l.parameter()}
	}
	if len(log) > 0 {
		h.Newest = log[len(log)-1].Number
	}
	h.state = fold(log)
	if h.now.Before(h.Now) {
		h.now = h.Now // our clock is slow, or AWS's reply says seconds only
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

// fetch reads all versions, in order, and what AWS's clock says.
func (l *Lease) fetch(ctx context.Context) ([]version, time.Time, error) {
	byNumber := map[int64]version{}
	now := l.wall()
	in := &ssm.GetParameterHistoryInput{Name: aws.String(l.parameter()), MaxResults: aws.Int32(50)}
	for {
		out, err := l.API.GetParameterHistory(ctx, in)
		if awserr.Classify(err) == awserr.Absent {
			return nil, now, nil
		}
		if err != nil {
			return nil, now, fmt.Errorf("read the lease %s: %w", l.parameter(), err)
		}
		now = l.wall()
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

// errVanished says that there is no parameter to append to.
var errVanished = errors.New("the lease's parameter does not exist any more")

// write appends an entry, after a reading of the log, and returns its version.
func (l *Lease) write(ctx context.Context, e entry, h history) (int64, error) {
	e.Format, e.Time, e.Seen = format, l.wall().UTC(), h.seen()
	value, err := e.encode()
	if err != nil {
		return 0, err
	}
	in := &ssm.PutParameterInput{Name: aws.String(l.parameter()), Value: aws.String(value)}
	if h.Versions == 0 {
		// Tags are accepted only from a call that creates.
		in.Type, in.Tier, in.Tags = types.ParameterTypeString, types.ParameterTierStandard, l.tags()
		in.Description = aws.String("Who is at work on the flowbed environment " + l.ID.Env)
	} else {
		// Without a type the call cannot create: what another has deleted
		// meanwhile does not come back, and without tags.
		in.Overwrite = aws.Bool(true)
	}
	out, err := l.API.PutParameter(ctx, in)
	if err == nil {
		return out.Version, nil
	}
	if h.Versions > 0 && awserr.Classify(err) == awserr.Invalid {
		if again, readErr := l.read(ctx); readErr == nil && again.Versions == 0 {
			err = errVanished
		}
	}
	return 0, fmt.Errorf("write the lease %s: %w", l.parameter(), err)
}

func (l *Lease) tags() []types.Tag {
	t := l.ID.Tags(l.parameter())
	list := make([]types.Tag, 0, len(t))
	for _, k := range slices.Sorted(maps.Keys(t)) {
		list = append(list, types.Tag{Key: aws.String(k), Value: aws.String(t[k])})
	}
	return list
}
