package resource

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/names"
)

// LogGroup is a CloudWatch log group with a retention period.
type LogGroup struct {
	API  *cloudwatchlogs.Client
	ID   Identity
	Name string
	Days int // the retention period: one of CloudWatch's values, or 0 for forever

	Key provision.Ref[KMSKeyState] // that encrypts new events; may be unset

	// Names are the names to record in the tags; may be nil.
	Names *NameLog

	// PrefectAPI is the URL of the API with the work pool; empty if the spec has no pool.
	PrefectAPI string

	// Tagging finds the environment's log groups with other names. It is needed with Names.
	Tagging *resourcegroupstaggingapi.Client

	// Destroy means that the run deletes the environment, whatever its log group is called.
	Destroy bool
}

// LogGroupState is the actual state of a log group.
type LogGroupState struct {
	Name string
	ARN  string // without the ":*" that policies need
	Days int    // 0 means forever
	Key  string // the ARN of a KMS key; empty for the keys of CloudWatch Logs

	Protected bool  // from deletion
	Stored    int64 // bytes of logs, rounded: see roughly
	Tags      Tags

	kept  string // why up keeps a former log group; empty if it does not
	note  string // what the deletion of a former log group deletes besides; may be empty
	doubt string // why up must not use the group; empty if it may
}

var (
	_ Kind[LogGroupState]                    = LogGroup{}
	_ Discoverer                             = LogGroup{}
	_ provision.Predictor[LogGroupState]     = LogGroup{}
	_ provision.Validator[LogGroupState]     = LogGroup{}
	_ provision.DeleteChecker[LogGroupState] = LogGroup{}
	_ provision.Labelled                     = LogGroupState{}
)

var _ = awserr.Declare(awserr.Errors{Codes: awserr.Codes{
	awserr.Absent:   `ResourceNotFoundException`,
	awserr.Conflict: `ResourceAlreadyExistsException OperationAbortedException`,
}})

// Owner implements provision.State.
func (s LogGroupState) Owner() provision.Owner {
	o := s.Tags.Owner()
	if s.kept != "" {
		o.Claims, o.Kept = append(o.Claims, "its logs"), s.kept
	}
	if s.note != "" {
		o.Notes = append(o.Notes, provision.Note{Severity: provision.Warn, Text: s.note})
	}
	o.Doubt = s.doubt
	return o
}

// Predicted implements provision.Predictor.
func (l LogGroup) Predicted() LogGroupState { return LogGroupState{Name: l.Name, ARN: l.arn()} }

func (l LogGroup) arn() string { return l.ID.ARN("logs", l.ID.Region, "log-group:"+l.Name) }

// Read implements provision.Resource.
func (l LogGroup) Read(ctx context.Context) (LogGroupState, error) {
	if l.Names == nil {
		return l.readOne(ctx, l.Name)
	}
	s, err := l.readAll(ctx)
	if own := s.Owner(); err == nil && own.By != l.ID.Owner() && !l.Destroy && l.Name != l.ID.Names().LogGroup() {
		whose, remedy := "was created outside flowbed", "or delete that log group"
		if own.By != "" {
			name, _, _ := strings.Cut(own.By, "@")
			whose, remedy = "belongs to environment "+own.By, "or, if nobody needs that environment, remove it with the file that describes it (`flowbed down -e "+name+"`)"
		}
		s.doubt = fmt.Sprintf("%s already exists and %s. The log group records what the environment has, so it must be the environment's own → choose another name in the logs block, %s", l.Name, whose, remedy)
	}
	return s, err
}

// readOne reads the group with a name. Its calls run in parallel: the call for tags needs the
// ARN, and that follows from the name.
func (l LogGroup) readOne(ctx context.Context, name string) (LogGroupState, error) {
	l.Name = name
	s := LogGroupState{Name: l.Name, ARN: l.arn()}
	err := parallel(ctx,
		func(ctx context.Context) error { return l.find(ctx, &s) },
		func(ctx context.Context) error {
			out, err := l.API.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &s.ARN})
			if err == nil {
				s.Tags = Tags(out.Tags)
				return nil
			}
			if awserr.Classify(err) == awserr.Absent {
				err = provision.ErrAbsent
			}
			return fmt.Errorf("read tags: %w", err)
		},
	)
	if err != nil {
		return LogGroupState{}, err
	}
	return s, nil
}

// find lists the groups with the name as a prefix and picks the right one: CloudWatch has
// no call for a single group.
func (l LogGroup) find(ctx context.Context, s *LogGroupState) error {
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(l.API, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &l.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("read log group: %w", err)
		}
		for _, g := range page.LogGroups {
			if deref(g.LogGroupName) == l.Name {
				s.Key = deref(g.KmsKeyId)
				s.Days, s.Protected = int(deref(g.RetentionInDays)), deref(g.DeletionProtectionEnabled)
				s.Stored = roughly(deref(g.StoredBytes))
				return nil
			}
		}
	}
	return fmt.Errorf("read log group: %w", provision.ErrAbsent)
}

// Discover implements Discoverer. It finds default names by themselves, because AWS's index of
// tags is late, and other names by the tags. Without the index, it returns the first together with
// the error.
func (l LogGroup) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	failed := func(err error) ([]Found, error) {
		return nil, fmt.Errorf("list log groups in %s: %w", l.ID.Region, err)
	}
	var named, tagged []Found
	var unsearched error
	err = parallel(ctx,
		func(ctx context.Context) (err error) { named, err = l.list(ctx, names.Path); return err },
		func(ctx context.Context) error { tagged, unsearched = l.listTagged(ctx); return nil },
	)
	if err != nil {
		return failed(err)
	}
	list = slices.Concat(named, tagged)
	list, err = withTags(ctx, list, l.readTagsOf)
	if err != nil {
		return failed(err)
	}
	for _, group := range slices.Clone(list) {
		for _, pool := range recordedPools(group) {
			again := func(f Found) bool {
				return f.Kind == pool.Kind && f.Name == pool.Name && f.Tags.Owner().By == pool.Tags.Owner().By
			}
			if !slices.ContainsFunc(list, again) { // a former log group records it, too
				list = append(list, pool)
			}
		}
	}
	if unsearched != nil {
		_, unsearched = failed(unsearched)
	}
	return list, unsearched
}

// list returns the groups whose names begin with a prefix.
func (l LogGroup) list(ctx context.Context, prefix string) (list []Found, err error) {
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(l.API, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, g := range page.LogGroups {
			list = append(list, Found{
				Kind: "log group", Name: deref(g.LogGroupName), Created: time.UnixMilli(deref(g.CreationTime)), Expiry: ExpiryDecides,
			})
		}
	}
	return list, nil
}

// listTagged returns the groups with flowbed's tags whose names are not default ones.
func (l LogGroup) listTagged(ctx context.Context) (list []Found, err error) {
	tagged, err := taggedLogGroups(ctx, l.Tagging, l.ID, Tags{KeyManagedBy: "flowbed"})
	if err != nil {
		return nil, fmt.Errorf("find them by their tags: %w", err)
	}
	tagged = slices.DeleteFunc(tagged, func(name string) bool { return strings.HasPrefix(name, names.Path) })
	found := make([][]Found, len(tagged))
	err = forEach(ctx, len(tagged), func(ctx context.Context, i int) error {
		same, err := l.list(ctx, tagged[i])
		found[i] = slices.DeleteFunc(same, func(f Found) bool { return f.Name != tagged[i] })
		return err
	})
	return slices.Concat(found...), err
}

// Create implements provision.Resource.
func (l LogGroup) Create(ctx context.Context) (*LogGroupState, error) {
	if err := l.announce(ctx); err != nil {
		return nil, err
	}
	defer l.Names.hold()()
	tags := marked(ctx, l.tags(nil))
	in := &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &l.Name, Tags: tags}
	key := keyARN(l.Key)
	if key != "" {
		in.KmsKeyId = &key
	}
	if _, err := l.API.CreateLogGroup(ctx, in); err != nil {
		return nil, fmt.Errorf("create log group: %w", err)
	}
	l.Names.see(tags)
	return &LogGroupState{Name: l.Name, ARN: l.arn(), Key: key, Tags: tags}, nil
}

// announce tells the environment's other log groups that this one takes their place.
func (l LogGroup) announce(ctx context.Context) error {
	if l.Names == nil {
		return nil
	}
	return l.Names.announce(ctx, l.Name)
}

// maxTagValue is AWS's limit for the value of a tag, in characters.
const maxTagValue = 256

// Validate implements provision.Validator: if a name does not fit into the tags, later
// runs could not find its object.
func (l LogGroup) Validate(have LogGroupState, _ bool) (notes []provision.Note) {
	tags := l.tags(have.Tags)
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if n := utf8.RuneCountInString(tags[k]); n > maxTagValue {
			notes = append(notes, provision.Note{Severity: provision.Error, Text: fmt.Sprintf(
				"its tag %s would have %d characters, and AWS allows %d → shorten the name in the config file, or run `flowbed down` with the old name first",
				k, n, maxTagValue)})
		}
	}
	if _, ok := apiTag(l.PrefectAPI); !ok && l.PrefectAPI != "" {
		notes = append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(
			"the URL of the Prefect API does not fit into a tag, which has %d characters, so down and sweep cannot remove the work pool without the config file", maxTagValue)})
	}
	return notes
}

// Changes implements provision.Resource.
func (l LogGroup) Changes(have LogGroupState) []provision.Change {
	c := append(l.keyChange(have), tagChange(have.Tags, l.tags(have.Tags), false, tagger{l.setTags, l.dropTags})...)
	from := retentionText(have.Days)
	if have.Name == "" { // the group does not exist yet
		from = ""
	}
	return independent(append(c, diffText("retention", from, retentionText(l.Days), l.setRetention)...))
}

// keyChange is the difference of the key. Without one in the file, only a key that the tags name
// goes: what others have set stays. New events get the key, those from before keep theirs.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
func (l LogGroup) keyChange(have LogGroupState) []provision.Change {
	want := keyARN(l.Key)
	if want == "" && (have.Key == "" || have.Tags[KeyKMS] != have.Key) {
		return nil
	}
	return diffText("encryption key", have.Key, want, func(ctx context.Context) error {
		if want == "" {
			_, err := l.API.DisassociateKmsKey(ctx, &cloudwatchlogs.DisassociateKmsKeyInput{LogGroupName: &l.Name})
			return err
		}
		_, err := l.API.AssociateKmsKey(ctx, &cloudwatchlogs.AssociateKmsKeyInput{LogGroupName: &l.Name, KmsKeyId: &want})
		return err
	})
}

func retentionText(days int) string {
	switch days {
	case 0:
		return "forever"
	case 1:
		return "1 day"
	}
	return fmt.Sprintf("%d days", days)
}

func (l LogGroup) tags(have Tags) Tags {
	t := l.ID.Tags(l.Name)
	if l.ID.Life != nil {
		t[KeyTTL] = l.ID.Life.Text()
	}
	maps.Copy(t, l.Names.tags(have))
	if api := l.Names.recordedAPI(); api != "" && have[KeyPrefectAPI] == "" {
		t[KeyPrefectAPI] = api
	}
	if api, ok := apiTag(l.PrefectAPI); ok {
		t[KeyPrefectAPI] = api
	}
	if key := keyARN(l.Key); key != "" {
		t[KeyKMS] = key
	}
	if len(t) > maxTags { // what the group records of the environment comes first
		delete(t, KeySpecTags)
	}
	return t
}

func (l LogGroup) dropTags(ctx context.Context, keys []string) error {
	if slices.Contains(keys, KeyMovedTo) { // the group is in use again, and another one no longer is
		if err := l.announce(ctx); err != nil {
			return err
		}
		if err := l.setTags(ctx, nil); err != nil { // its expiry from then must not count again
			return err
		}
	}
	_, err := l.API.UntagResource(ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: new(l.arn()), TagKeys: keys})
	return err
}

// setTags sets t; if there are names to record, it sets what the tags then lack.
func (l LogGroup) setTags(ctx context.Context, t Tags) error {
	if l.Names != nil { // another step may have recorded a name since the last reading
		return l.Names.editIn(ctx, l.Name, func(have Tags) Tags { return have.missing(l.tags(have), false) })
	}
	_, err := l.API.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: new(l.arn()), Tags: t})
	return err
}

func (l LogGroup) setRetention(ctx context.Context) error {
	if l.Days == 0 {
		_, err := l.API.DeleteRetentionPolicy(ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: &l.Name})
		return err
	}
	_, err := l.API.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{
		LogGroupName: &l.Name, RetentionInDays: new(int32(l.Days)),
	})
	return err
}

// CheckDelete implements provision.DeleteChecker. If somebody turned on deletion protection
// for the log group, a person must turn it off. It also tells of the logs that go with the group.
func (l LogGroup) CheckDelete(_ context.Context, have LogGroupState) ([]provision.Note, error) {
	notes := l.protection(have)
	if lost := l.lost(have); lost != "" {
		notes = append(notes, provision.Note{Severity: provision.Warn, Text: lost})
	}
	return notes, nil
}

// protection is the note about a group that is protected from deletion.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogGroupDeletionProtection.html
func (l LogGroup) protection(have LogGroupState) []provision.Note {
	if !have.Protected {
		return nil
	}
	return []provision.Note{{Severity: provision.Error, Text: fmt.Sprintf(
		"%[1]s has deletion protection → turn it off (aws logs put-log-group-deletion-protection --region %[2]s --log-group-identifier %[1]s --no-deletion-protection-enabled)",
		have.Name, l.ID.Region)}}
}

// lost tells of the logs that are deleted with the group, and how to keep them; it is empty if there
// are none.
func (l LogGroup) lost(have LogGroupState) string {
	if have.Stored == 0 {
		return ""
	}
	days := have.Days
	if days == 0 { // as far back as the longest retention goes
		days = 3653
	}
	return fmt.Sprintf(
		"%[1]s of logs will be deleted with the log group %[2]s → to keep them, save them first (aws logs tail %[2]s --region %[3]s --since %[4]dd > logs.txt)",
		megabytes(have.Stored), have.Name, l.ID.Region, days)
}

// roughly rounds a number of bytes to one digit, and to at least half a megabyte if it is not 0: a
// plan does not become another one because tasks have written some lines since.
func roughly(bytes int64) int64 {
	const least = 500_000
	if bytes <= 0 {
		return 0
	}
	unit := int64(1)
	for bytes >= 10*unit {
		unit *= 10
	}
	return max((bytes+unit/2)/unit*unit, least)
}

// megabytes is a rounded number of bytes in words.
func megabytes(bytes int64) string {
	if bytes < 1_000_000 {
		return "less than 1 MB"
	}
	return fmt.Sprintf("about %d MB", bytes/1_000_000)
}

// Delete implements provision.Resource.
func (l LogGroup) Delete(ctx context.Context, have LogGroupState) error {
	_, err := l.API.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &have.Name})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("delete log group: %w", err)
	}
	return nil
}

// Costs implements Kind: AWS bills what is written and kept.
func (LogGroup) Costs() []cost.Usage { return nil }

// Permissions are what the calls need. For calls about tags, the ARN of a group is without
// ":*"; for all others, it is with ":*".
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
func (l LogGroup) Permissions() Permissions {
	group := func(actions ...string) Permission { return on(l.arn(), actions...).and(l.arn() + ":*") }
	retention := "logs:PutRetentionPolicy"
	if l.Days == 0 {
		retention = "logs:DeleteRetentionPolicy"
	}
	build := []string{"logs:CreateLogGroup", retention, "logs:TagResource", "logs:UntagResource"}
	if l.Key.Set() { // and back, by the policy of the file that has had it
		build = append(build, "logs:AssociateKmsKey", "logs:DisassociateKmsKey")
	}
	all := []Permission{group(build...)}
	if byDefault := (LogGroup{ID: l.ID, Name: l.ID.Names().LogGroup()}).arn(); l.Names != nil && byDefault != l.arn() { // see announce
		all = append(all, on(byDefault, "logs:ListTagsForResource", "logs:TagResource"))
	}
	return Permissions{
		Read:   append([]Permission{on("*", "logs:DescribeLogGroups"), group("logs:ListTagsForResource")}, l.findPermissions()...),
		Build:  all,
		Delete: []Permission{group("logs:DeleteLogGroup")},
	}
}
