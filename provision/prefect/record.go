package prefect

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// The record of a pool is what flowbed itself set there for the flows: names and values. It
// tells flowbed's values from those that somebody set in Prefect. A value that equals the
// record is flowbed's; flowbed may change it, or take it back when the file no longer says
// it. Any other value that the file does not say stays.
//
// A value that somebody had set before the file said the same is not in the record: it was
// not flowbed's, and stays when the file no longer says it.

// recordKey is the key of the record in a template. It is not a part of the mark, because
// earlier versions of flowbed write the mark as a whole.
const recordKey = "x-flowbed-flows"

const (
	whyUnsaid   = "the config file does not say it any more"
	whyPackages = "the deployment says which packages its tasks install"
	whyLine     = "without it, the worker ignores the value"
	whyTwice    = "ECS refuses a name in both env and secrets"
)

// flows returns the entries for the tasks of flows: what the file says, what flowbed takes
// back or may change itself, and the new record.
func (d Defaults) flows(have Template) (list []Entry) {
	if len(have) == 0 {
		have = Base(d.Kind)
	}
	said := d.Flows.said()
	record, why := recordOf(have)
	next := map[string]any{}
	for _, name := range d.names(said, record) {
		e := flowEntry(have, name)
		was, _ := lookup(map[string]any(have), e.Path)
		ours := record[name] != nil && same(was, record[name])
		if value, is := said[name]; is {
			e.Value, e.Said = value, true
			if name == propagateName {
				e.Why = whyRevisions
			}
		} else if name == imageName && d.DefaultImage != "" && (ours || Text(was) == "") {
			e.Value = d.DefaultImage
		} else {
			e.Why = why
			list = append(list, d.takeBack(have, e, record[name])...)
			continue
		}
		places := append([]Entry{e}, requestTag(have, e, record[name])...)
		if ours || anyDiffers(places, have) {
			next[name] = e.Value
		}
		list = append(list, places...)
		if x, ok := extras[name]; ok {
			list = append(list, Entry{Name: name, Path: x.path(), Value: x.line, Said: true, Why: whyLine})
		}
	}
	list = append(list, clashes(have, said, list)...)
	list = append(list, d.emptyEnv(have, list)...)
	list = append(list, emptySecrets(have, list)...)
	list = append(list, emptyTags(have, list)...)
	return append(list, Entry{Name: "record", Path: []any{"variables", recordKey}, Value: next, Silent: true})
}

func anyDiffers(list []Entry, have Template) bool {
	return slices.ContainsFunc(list, func(e Entry) bool {
		_, differs := e.Differs(have)
		return differs
	})
}

// names returns the names of the values that need a decision.
func (d Defaults) names(said, record map[string]any) []string {
	all := map[string]any{imageName: nil}
	maps.Copy(all, record)
	maps.Copy(all, said)
	return ordered(all)
}

// takeBack returns the entries for a value that the file does not say.
func (d Defaults) takeBack(have Template, e Entry, recorded any) []Entry {
	was, _ := lookup(map[string]any(have), e.Path)
	if strings.HasPrefix(e.Name, tagPrefix) {
		return takeTagBack(have, e, recorded, definitionTags, requestTags)
	}
	switch {
	case recorded == nil:
		return nil
	case same(was, recorded):
		return append([]Entry{d.original(e)}, undo(have, e.Name)...)
	case was == nil:
		// Somebody has removed our value. Its place must not stay without one.
		return undo(have, e.Name)
	}
	return nil
}

// original makes an entry for the value that the worker's template had before flowbed set
// its own.
func (d Defaults) original(e Entry) Entry {
	if strings.HasPrefix(e.Name, secretPrefix) {
		return without(e)
	}
	value, found := lookup(map[string]any(Base(d.Kind)), e.Path)
	e.Value, e.Unset, e.Removed = value, found && value == nil, !found
	return e
}

// undo returns entries that remove what flowbed added for an extra value, unless somebody
// has changed it.
func undo(have Template, name string) (list []Entry) {
	x, ok := extras[name]
	if !ok {
		return nil
	}
	if line, _ := lookup(map[string]any(have), x.path()); reflect.DeepEqual(line, any(x.line)) {
		list = append(list, Entry{Name: name, Path: x.path(), Removed: true, Why: whyUnsaid})
	}
	path := []any{"variables", "properties", name}
	declared, _ := lookup(map[string]any(have), path)
	if m, ok := clone(declared).(map[string]any); ok {
		delete(m, "default")
		if reflect.DeepEqual(m, x.variable) {
			list = append(list, Entry{Name: name, Path: path, Removed: true, Why: whyUnsaid})
		}
	}
	return list
}

// emptyEnv returns an entry that removes the environment's default if the others remove all
// of its variables. The original templates have none.
func (d Defaults) emptyEnv(have Template, others []Entry) []Entry {
	if d.Kind == Worker2 && d.Variable != "" {
		return nil // it keeps a null for the secret
	}
	env, _ := have.Default("env").(map[string]any)
	last, removed := Entry{}, 0
	for _, e := range others {
		switch {
		case !strings.HasPrefix(e.Name, envPrefix):
		case !e.Removed:
			return nil
		default:
			last, removed = e, removed+1
		}
	}
	if removed == 0 || removed < len(env) {
		return nil
	}
	last.Path = variable("env", nil).Path
	return []Entry{last}
}

// recordOf returns the record of a template, and why flowbed takes back a value in it.
func recordOf(t Template) (record map[string]any, why string) {
	variables, _ := t["variables"].(map[string]any)
	if v, found := variables[recordKey]; found {
		record, _ = v.(map[string]any)
		return record, whyUnsaid
	}
	if _, marked := variables[markKey]; !marked {
		return nil, ""
	}
	return earlier(t), whyPackages
}

const packagesName = envPrefix + "EXTRA_PIP_PACKAGES"

// earlier returns the record that an earlier version of flowbed would have made. Those
// versions kept no record. Each up put prefect-aws into EXTRA_PIP_PACKAGES and flowbed's own
// image back over everything else.
//
// The packages are taken for flowbed's if they are exactly what it put there. By itself, an
// image in the form of flowbed's proves nothing: it is Prefect's own, which a team may well
// have chosen. It is taken for flowbed's only beside the packages that flowbed put there
// together with it. So a pool that nobody has touched follows a new Prefect version, as it
// always did. The first up that finds such packages removes them and writes the record, so
// this happens once.
func earlier(t Template) map[string]any {
	packages, _ := lookup(map[string]any(t), flowEntry(t, packagesName).Path)
	text, _ := packages.(string)
	aws, ok := strings.CutPrefix(text, "prefect-aws==")
	if !ok || !slices.ContainsFunc(pairs, func(p pair) bool { return p.aws == aws }) {
		return nil
	}
	record := map[string]any{packagesName: text}
	image, _ := t.Default(imageName).(string)
	if v, ok := versionOf(image); ok && v.AWS() == aws {
		record[imageName] = image
	}
	return record
}

// versionOf returns the version of an image that Image returned.
func versionOf(image string) (Version, bool) {
	text, _ := strings.CutPrefix(image, "prefecthq/prefect:")
	text, _ = strings.CutSuffix(text, "-python3.12")
	v, err := ParseVersion(text)
	return v, err == nil && v.Image() == image
}
