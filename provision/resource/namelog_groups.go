package resource

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/flowbed/flowbed/provision/awserr"
)

// found notes what a reading has found: the tags of the log group that records the names, if it
// is ours, and those of the environment's other log groups.
func (l *NameLog) found(have LogGroupState, others map[string]Tags) {
	l.othersMu.Lock()
	l.others = others
	if have.Name != "" && have.Owner().By == l.ID.Owner() {
		l.main = have.Name
	}
	l.othersMu.Unlock()
	l.see(have.Tags)
}

// group is the name of the log group that records the names.
func (l *NameLog) group() string {
	l.othersMu.Lock()
	defer l.othersMu.Unlock()
	if l.main == "" {
		return l.Group
	}
	return l.main
}

// anchored reports whether a reading of this run has found the log group that records the names.
func (l *NameLog) anchored() bool {
	l.othersMu.Lock()
	defer l.othersMu.Unlock()
	return l.main != ""
}

// rest returns the environment's other log groups, by name.
func (l *NameLog) rest() map[string]Tags {
	l.othersMu.Lock()
	defer l.othersMu.Unlock()
	return maps.Clone(l.others)
}

// note changes what is known of another log group; nil means that it is gone.
func (l *NameLog) note(group string, t Tags) {
	l.othersMu.Lock()
	defer l.othersMu.Unlock()
	others := maps.Clone(l.others)
	if others[group] = t; t == nil {
		delete(others, group)
	}
	l.others = others
}

// with returns tags with what the environment's other log groups record besides. Their expiry
// counts only for a group without tags, or one that is not in use.
func (l *NameLog) with(t Tags) Tags {
	others := l.rest()
	if len(others) == 0 {
		return t
	}
	all := Tags{}
	maps.Copy(all, t)
	for _, group := range slices.Sorted(maps.Keys(others)) {
		for _, kind := range renamableKinds {
			if names, recorded := recordedNames(others[group], kind); recorded {
				names = slices.DeleteFunc(names, func(n string) bool { return l.forgotten(kind, n) }) // a reading may show them late
				maps.Copy(all, nameTags(kind, union(l.already(t, all, kind), names)))
			}
		}
		already, _ := recordedNames(all, KindLogGroup)
		maps.Copy(all, nameTags(KindLogGroup, union(already, []string{group})))
		if all[KeyPrefectAPI] == "" && others[group][KeyPrefectAPI] != "" {
			all[KeyPrefectAPI] = others[group][KeyPrefectAPI]
		}
	}
	if _, moved := t[KeyMovedTo]; moved || len(t) == 0 {
		main := others[latest(others)]
		for _, k := range []string{KeyTTL, KeyExpires} {
			if delete(all, k); main[k] != "" {
				all[k] = main[k]
			}
		}
	}
	return all
}

// forgotten reports whether this run unregisters a name, because its object is gone.
func (l *NameLog) forgotten(kind, name string) bool {
	_, gone := l.unregistering.Load([2]string{kind, name})
	return gone
}

// hold keeps others from changing the tags until the caller has created the log group that gets
// them: a name that is unregistered in between would be recorded for ever.
func (l *NameLog) hold() (release func()) {
	if l == nil {
		return func() {}
	}
	l.writing.Lock()
	return l.writing.Unlock
}

// already returns the names of a kind in all, to which others are added. That the group's own tags t
// record none means that there may be an object with the default name, which the result has, too.
func (l *NameLog) already(t, all Tags, kind string) []string {
	names, recorded := recordedNames(all, kind)
	if recorded || len(t) == 0 {
		return names
	}
	for _, e := range l.entries {
		if e.Kind == kind && !e.Optional && e.Default != "" {
			names = append(names, e.Default)
		}
	}
	return names
}

func union(a, b []string) []string {
	a = slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// announce records the name of the log group in the environment's other ones, before it exists
// or takes their place. So a run that knows only one of them finds all.
func (l *NameLog) announce(ctx context.Context, name string) error {
	for _, group := range slices.Sorted(maps.Keys(l.rest())) {
		err := l.editIn(ctx, group, func(have Tags) Tags {
			names, _ := recordedNames(have, KindLogGroup)
			want := nameTags(KindLogGroup, union(names, []string{group, name}))
			want[KeyMovedTo] = name
			return have.missing(want, false)
		})
		if err := awserr.Gone(err); err != nil {
			return fmt.Errorf("record the name %s in the tags of %s: %w", name, group, err)
		}
	}
	return nil
}

// inherit adds what another log group records to the one that stays.
func (l *NameLog) inherit(ctx context.Context, from string) error {
	have, err := LogGroup{API: l.API, ID: l.ID}.readTagsOf(ctx, Found{Name: from})
	if err != nil {
		return awserr.Gone(err)
	}
	l.note(from, have)
	err = l.editIn(ctx, l.group(), func(have Tags) Tags { return have.missing(l.with(have), false) })
	if err != nil {
		return fmt.Errorf("record what %s recorded: %w", from, err)
	}
	return nil
}
