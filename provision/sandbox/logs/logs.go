// Package logs is the sandbox's CloudWatch Logs: log groups, their retention, tags and
// streams.
//
// It asks kms whether it may use the key of a log group.
package logs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

var service = core.NewService("cloudwatchlogs", func(r *core.Request) *request { return &request{r} }, core.Rules{})

var part = core.Regional("logs",
	func(string) *database { return &database{} },
	func(_ *core.Request, d *database) any { return d.Groups })

// request is one call to CloudWatch Logs.
type request struct{ *core.Request }

// database is CloudWatch Logs' part of a region.
type database struct {
	Groups map[string]*logGroup `json:"groups,omitempty"` // by name
	Ghosts map[string]ghost     `json:"ghosts,omitempty"` // by name
}

type logGroup struct {
	Name    string    `json:"name"`
	Days    int32     `json:"days,omitempty"` // 0 means forever
	Class   string    `json:"class,omitempty"`
	Key     string    `json:"key,omitempty"` // a KMS key
	Tags    core.Tags `json:"tags,omitempty"`
	Created time.Time `json:"created"`

	Protected bool `json:"protected,omitempty"` // from deletion

	Streams map[string][]line `json:"streams,omitempty"` // by name
}

func (r *request) db() *database {
	d := part.In(r.Request)
	if d.Groups == nil { // new, or empty when it was saved
		d.Groups = map[string]*logGroup{}
	}
	return d
}

func init() {
	core.Register(service, createLogGroup, createAccess)
	core.Register(service, describeLogGroups, listAccess)
	core.Register(service, deleteLogGroup, groupAccess)
	core.Register(service, putDeletionProtection, protectionAccess)
	core.Register(service, putRetentionPolicy, groupAccess)
	core.Register(service, deleteRetentionPolicy, groupAccess)
	core.Register(service, associateKey, groupAccess)
	core.Register(service, disassociateKey, groupAccess)
	core.Register(service, listLogTags, tagsAccess)
	core.Register(service, tagLogs, tagsAccess)
	core.Register(service, untagLogs, tagsAccess)
}

// retentions lists the periods, in days, that PutRetentionPolicy accepts.
var retentions = []int32{
	1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
}

var logGroupName = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)

func invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func checkLogGroupName(name *string) error {
	n := aws.ToString(name)
	if !logGroupName.MatchString(n) {
		return invalid("1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+", n)
	}
	if strings.HasPrefix(n, "aws/") {
		return invalid("Log groups starting with aws/ are reserved for AWS.")
	}
	return nil
}

func (r *request) logGroup(name *string) (*logGroup, error) {
	if err := checkLogGroupName(name); err != nil {
		return nil, err
	}
	if g := r.db().Groups[*name]; g != nil {
		return g, nil
	}
	return nil, &types.ResourceNotFoundException{Message: aws.String("The specified log group does not exist.")}
}

func newTags(have core.Tags, add map[string]string) (core.Tags, error) {
	var list []core.Tag
	for _, k := range core.SortedKeys(add) {
		list = append(list, core.Tag{Key: k, Value: add[k]})
	}
	return have.With(list, core.TagRules{Code: "InvalidParameterException", TooMany: "TooManyTagsException"})
}

func createLogGroup(r *request, in *cloudwatchlogs.CreateLogGroupInput) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	if err := checkLogGroupName(in.LogGroupName); err != nil {
		return nil, err
	}
	t, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	d, name := r.db(), *in.LogGroupName
	if d.Groups[name] != nil {
		return nil, &types.ResourceAlreadyExistsException{Message: aws.String("The specified log group already exists")}
	}
	if err := r.checkKey(name, in.KmsKeyId); err != nil {
		return nil, err
	}
	class := in.LogGroupClass
	if class == "" {
		class = types.LogGroupClassStandard
	}
	d.Groups[name] = &logGroup{Name: name, Class: string(class), Key: aws.ToString(in.KmsKeyId), Tags: t, Created: r.Now.UTC()}
	return &cloudwatchlogs.CreateLogGroupOutput{}, nil
}

// stored is what AWS bills: 26 bytes for each event besides its text. Compression, which AWS counts,
// too, is left out.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_InputLogEvent.html
func (g *logGroup) stored() (bytes int64) {
	for _, lines := range g.Streams {
		for _, l := range lines {
			bytes += int64(len(l.Text)) + 26
		}
	}
	return bytes
}

// describeLogGroups shows a group's ARN twice: with ":*" at the end for policies,
// and without it for tags.
func describeLogGroups(r *request, in *cloudwatchlogs.DescribeLogGroupsInput) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, invalid("logGroupNamePattern and logGroupNamePrefix are mutually exclusive parameters.")
	}
	var all []types.LogGroup
	for _, g := range core.Sorted(r.db().Groups) {
		if !strings.HasPrefix(g.Name, aws.ToString(in.LogGroupNamePrefix)) || !strings.Contains(g.Name, aws.ToString(in.LogGroupNamePattern)) {
			continue
		}
		arn := r.ARN("logs", r.Region, "log-group:"+g.Name)
		out := types.LogGroup{
			LogGroupName: aws.String(g.Name), Arn: aws.String(arn + ":*"), LogGroupArn: aws.String(arn),
			CreationTime: aws.Int64(g.Created.UnixMilli()), LogGroupClass: types.LogGroupClass(g.Class),
		}
		out.StoredBytes = aws.Int64(g.stored())
		if g.Days > 0 {
			out.RetentionInDays = aws.Int32(g.Days)
		}
		if g.Protected {
			out.DeletionProtectionEnabled = aws.Bool(true)
		}
		if g.Key != "" {
			out.KmsKeyId = aws.String(g.Key)
		}
		all = append(all, out)
	}
	list, next, err := core.Page(all, in.NextToken, in.Limit, 50)
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: list, NextToken: next}, nil
}

func deleteLogGroup(r *request, in *cloudwatchlogs.DeleteLogGroupInput) (*cloudwatchlogs.DeleteLogGroupOutput, error) {
	g, err := r.logGroup(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	if g.Protected {
		return nil, &types.ValidationException{Message: aws.String("Log group " + g.Name + " has deletion protection enabled.")}
	}
	r.forget(g)
	return &cloudwatchlogs.DeleteLogGroupOutput{}, nil
}

func putDeletionProtection(r *request, in *cloudwatchlogs.PutLogGroupDeletionProtectionInput) (*cloudwatchlogs.PutLogGroupDeletionProtectionOutput, error) {
	name := strings.TrimPrefix(aws.ToString(in.LogGroupIdentifier), r.ARN("logs", r.Region, "log-group:"))
	g, err := r.logGroup(&name)
	if err != nil {
		return nil, err
	}
	g.Protected = aws.ToBool(in.DeletionProtectionEnabled)
	return &cloudwatchlogs.PutLogGroupDeletionProtectionOutput{}, nil
}

func putRetentionPolicy(r *request, in *cloudwatchlogs.PutRetentionPolicyInput) (*cloudwatchlogs.PutRetentionPolicyOutput, error) {
	g, err := r.logGroup(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(retentions, aws.ToInt32(in.RetentionInDays)) {
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", aws.ToInt32(in.RetentionInDays), retentions)
	}
	g.Days = *in.RetentionInDays
	return &cloudwatchlogs.PutRetentionPolicyOutput{}, nil
}

func deleteRetentionPolicy(r *request, in *cloudwatchlogs.DeleteRetentionPolicyInput) (*cloudwatchlogs.DeleteRetentionPolicyOutput, error) {
	g, err := r.logGroup(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	g.Days = 0
	return &cloudwatchlogs.DeleteRetentionPolicyOutput{}, nil
}

// taggedGroup finds a group by its ARN without ":*". It rejects the other form.
func (r *request) taggedGroup(arn *string) (*logGroup, error) {
	name, ok := strings.CutPrefix(aws.ToString(arn), r.ARN("logs", r.Region, "log-group:"))
	if !ok || strings.Contains(name, ":") {
		return nil, invalid("1 validation error detected: Value '%s' at 'resourceArn' is not the ARN of a log group", aws.ToString(arn))
	}
	return r.logGroup(&name)
}

func listLogTags(r *request, in *cloudwatchlogs.ListTagsForResourceInput) (*cloudwatchlogs.ListTagsForResourceOutput, error) {
	g, err := r.taggedGroup(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.ListTagsForResourceOutput{Tags: g.Tags.Without(nil)}, nil
}

func tagLogs(r *request, in *cloudwatchlogs.TagResourceInput) (*cloudwatchlogs.TagResourceOutput, error) {
	g, err := r.taggedGroup(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	t, err := newTags(g.Tags, in.Tags)
	if err != nil {
		return nil, err
	}
	g.Tags = t
	return &cloudwatchlogs.TagResourceOutput{}, nil
}

func untagLogs(r *request, in *cloudwatchlogs.UntagResourceInput) (*cloudwatchlogs.UntagResourceOutput, error) {
	g, err := r.taggedGroup(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	g.Tags = g.Tags.Without(in.TagKeys)
	return &cloudwatchlogs.UntagResourceOutput{}, nil
}
