package resource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Bucket is a private S3 bucket: no public access, no ACLs, encrypted with keys of S3 or with a
// key of KMS, and reachable only over TLS. A plan shows everything that others add to the policy or
// the lifecycle as drift, and up removes it. Tags of others stay.
//
// Every call names the account that must own the bucket, so that flowbed never writes to
// a bucket with this name in another account.
type Bucket struct {
	API          *s3.Client
	ID           Identity
	Name         string
	Regional     bool // the name is in the account-regional namespace, where no other account can take it
	Versioning   bool
	ExpireDays   int  // 0 keeps objects forever; see rules for old versions
	OldDays      int  // 0 keeps old versions as ExpireDays says
	ForceDestroy bool // Delete empties the bucket
	Orphan       bool // this is the old bucket of a rename: the spec has only the new one
	Shortened    bool // the name contains only a part of the environment's name

	Logs      AccessLogs
	LogTarget provision.Ref[LogBucketState] // unset without Logs

	Key   provision.Ref[KMSKeyState] // that encrypts new objects; may be unset
	Names NameEntry
	Flags string // that select the environment, for commands in messages
}

// Validate implements provision.Validator. It explains a name that nobody would expect, and what a change
// of the key does not change.
func (b Bucket) Validate(have BucketState, found bool) []provision.Note {
	target, _ := b.LogTarget.Get()
	if found {
		return append(slices.Clone(target.Notes), b.keptKey(have)...)
	}
	if !b.Shortened {
		return target.Notes
	}
	return append(slices.Clone(target.Notes), provision.Note{Severity: provision.Info, Text: "the bucket's name contains only a part of the environment's name and a hash of it, because S3 allows 63 characters"})
}

// BucketState is the actual state of a bucket, as a plan shows it.
type BucketState struct {
	Name       string
	Ownership  string                 // "BucketOwnerEnforced": no ACLs
	Public     string                 // "blocked", "not blocked", or the settings that are on
	Encryption string                 // "AES256": with keys of S3; see Bucket.encryption
	Blocked    []types.EncryptionType // kinds of encryption that objects must not have: see encryptionRules
	Policy     string                 // JSON; empty if there is none
	Versioning string                 // "Enabled" or "Suspended"; empty if it was never enabled
	Lifecycle  string                 // JSON of the rules; empty if there are none
	AccessLogs string                 // the target; empty if there are none, or if the spec says nothing of them
	Tags       Tags
}

var (
	_ Kind[BucketState]                    = Bucket{}
	_ Discoverer                           = Bucket{}
	_ provision.Predictor[BucketState]     = Bucket{}
	_ provision.Validator[BucketState]     = Bucket{}
	_ provision.DeleteChecker[BucketState] = Bucket{}
	_ provision.Labelled                   = BucketState{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent: `NoSuchBucket NoSuchKey NoSuchTagSet NoSuchBucketPolicy NoSuchLifecycleConfiguration
			NoSuchPublicAccessBlockConfiguration ServerSideEncryptionConfigurationNotFoundError NoSuchUpload
			OwnershipControlsNotFoundError NotFound`,
		awserr.Conflict: `BucketAlreadyOwnedByYou OperationAborted ConditionalRequestConflict`,
		awserr.Quota:    `TooManyBuckets`,
		awserr.Invalid:  `BucketAlreadyExists InvalidBucketName MalformedPolicy`,
	},
	Rules: []awserr.Rule{
		// IAM does not know the role in the policy yet.
		{Code: "MalformedPolicy", Message: "Invalid principal", Class: awserr.Transient},
	},
	Hints: map[string]string{
		"BucketAlreadyExists": "another account owns this bucket name: set another bucket.name, or namespace = \"account-regional\"",
		"TooManyBuckets":      "the account is at its bucket quota: delete a bucket, or request an increase (Service Quotas, S3)",
		"OperationAborted":    "S3 is still processing another change to this bucket name, which can take up to an hour after a deletion: run the same command later",
	},
})

// Owner implements provision.State.
func (s BucketState) Owner() provision.Owner { return s.Tags.Owner() }

// Predicted implements provision.Predictor.
func (b Bucket) Predicted() BucketState { return BucketState{Name: b.Name} }

// Create implements provision.Resource. In us-east-1, CreateBucket succeeds even if the
// account already has the bucket. So Create reads the tags before it does anything else.
// Not all S3-compatible servers support tags in CreateBucket; AWS does.
func (b Bucket) Create(ctx context.Context) (*BucketState, error) {
	if err := b.Names.Register(ctx); err != nil {
		return nil, err
	}
	in := &s3.CreateBucketInput{
		Bucket: &b.Name, ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{Tags: tagList(marked(ctx, b.ID.Tags(b.Name)), s3Tag)},
	}
	if b.ID.Region != "us-east-1" { // S3 rejects this region as a constraint, and requires all others
		in.CreateBucketConfiguration.LocationConstraint = types.BucketLocationConstraint(b.ID.Region)
	}
	if b.Regional {
		in.BucketNamespace = types.BucketNamespaceAccountRegional
	}
	if _, err := b.API.CreateBucket(ctx, in); err != nil {
		return nil, b.notCreated(err)
	}
	have, err := b.readTags(ctx)
	switch {
	case errors.Is(err, provision.ErrAbsent): // not visible yet
		return nil, nil
	case err != nil:
		return nil, err
	case len(have) == 0:
		return nil, b.putTags(ctx, marked(ctx, b.ID.Tags(b.Name)))
	case have.Owner().By != b.ID.Owner():
		return nil, nil // it already existed: a reading will show its state
	}
	// S3 blocks public access to a new bucket and encrypts it, and it blocks keys of the client.
	// If it does not, the reading at the end of the step shows that.
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html
	return &BucketState{
		Name: b.Name, Tags: have, Public: publicBlocked, Encryption: string(types.ServerSideEncryptionAes256),
		Ownership: string(types.ObjectOwnershipBucketOwnerEnforced), Blocked: []types.EncryptionType{types.EncryptionTypeSseC},
	}, nil
}

// notCreated explains two errors that AWS does not explain.
func (b Bucket) notCreated(err error) error {
	switch awserr.Code(err) {
	case "BucketAlreadyExists":
		return fmt.Errorf("create bucket: another account owns the bucket name %s: %w", b.Name, err)
	case "OperationAborted":
		return fmt.Errorf("create bucket: S3 still blocks the name %s, probably after a recent deletion: %w", b.Name, err)
	}
	return fmt.Errorf("create bucket: %w", err)
}

func s3Tag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }

// Changes implements provision.Resource. Each setting has its own call.
func (b Bucket) Changes(have BucketState) []provision.Change {
	c := b.tagChanges(have.Tags)
	c = append(c, diffText("public access", have.Public, publicBlocked, b.blockPublic)...)
	c = append(c, diffText("object ownership", have.Ownership, string(types.ObjectOwnershipBucketOwnerEnforced), b.putOwnership)...)
	c = append(c, diffText("encryption", have.Encryption, b.encryption(), b.encrypt(have.Blocked))...)
	c = append(c, diffPolicy("policy", have.Policy, b.policy(), b.putPolicy)...)
	c = append(c, b.versioningChange(have.Versioning)...)
	if want := rulesJSON(b.rules()); have.Lifecycle != want {
		c = append(c, provision.Change{
			Field: "lifecycle", From: provision.JSON(have.Lifecycle), To: provision.JSON(want), Do: b.putLifecycle,
		})
	}
	c = append(c, b.logChanges(have.AccessLogs)...)
	return independent(c)
}

func (b Bucket) versioningChange(have string) []provision.Change {
	want := string(types.BucketVersioningStatusEnabled)
	if !b.Versioning {
		if have == "" { // never enabled has the same effect as suspended
			return nil
		}
		want = string(types.BucketVersioningStatusSuspended)
	}
	return diffText("versioning", have, want, func(ctx context.Context) error {
		_, err := b.API.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
			Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account,
			VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatus(want)},
		})
		return err
	})
}

// tagChanges makes all changes of tags in one call: PutBucketTagging replaces all tags, so
// of two calls one would undo the other. The call reads the tags first, because those of
// others must stay.
func (b Bucket) tagChanges(have Tags) []provision.Change {
	want := b.ID.Tags(b.Name)
	c := tagChange(have, want, false, tagger{drop: func(ctx context.Context, keys []string) error { return b.retag(ctx, have, keys, nil) }})
	if len(c) > 0 && !c[0].Last {
		c[0].Do = func(ctx context.Context) error {
			return b.retag(ctx, have, slices.Collect(maps.Keys(have.stale(want))), have.missing(want, false))
		}
	}
	return c
}

// retag removes tags and adds others.
func (b Bucket) retag(ctx context.Context, have Tags, stale []string, missing Tags) error {
	all, err := b.readTags(ctx)
	if errors.Is(err, provision.ErrAbsent) { // S3 showed them a moment ago
		all, err = maps.Clone(have), nil
	}
	if err != nil {
		return err
	}
	maps.DeleteFunc(all, func(k, _ string) bool { return slices.Contains(stale, k) })
	maps.Copy(all, missing)
	return b.putTags(ctx, all)
}

func (b Bucket) putTags(ctx context.Context, all Tags) error {
	_, err := b.API.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
		Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account, Tagging: &types.Tagging{TagSet: tagList(all, s3Tag)},
	})
	return err
}

func (b Bucket) blockPublic(ctx context.Context) error {
	_, err := b.API.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: new(true), IgnorePublicAcls: new(true), BlockPublicPolicy: new(true), RestrictPublicBuckets: new(true),
		},
	})
	return err
}

func (b Bucket) putOwnership(ctx context.Context) error {
	_, err := b.API.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
		Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account,
		OwnershipControls: &types.OwnershipControls{
			Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}},
		},
	})
	return err
}

// keptKey says what a change of the key leaves as it is: an object keeps the key that it was written
// with, and the task role may use only the key of the file.
func (b Bucket) keptKey(have BucketState) []provision.Note {
	old := keyIn(have.Encryption)
	if old == "" || old == keyIn(b.encryption()) || have.Owner().By != b.ID.Owner() {
		return nil
	}
	return []provision.Note{{Severity: provision.Info, Text: "objects that are there stay encrypted with " + old +
		", with which tasks may no longer decrypt → copy each onto itself after up (aws s3 cp s3://" + b.Name + " s3://" + b.Name + " --recursive), or allow kms:Decrypt with that key in task_role"}}
}

// keyIn is the KMS key in the text of a default encryption; empty if there is none.
func keyIn(encryption string) string {
	algorithm, rest, _ := strings.Cut(encryption, " ")
	key, _, _ := strings.Cut(rest, ",")
	if !strings.HasPrefix(algorithm, "aws:kms") {
		return ""
	}
	return key
}

// encryption is the desired default encryption, as encryptionText says it.
func (b Bucket) encryption() string { return encryptionText(b.encryptionRules(nil)) }

// encryptionRules encrypt new objects. With a bucket key, S3 asks KMS once for many objects, and
// not for each of them, which costs money. S3 does not say what happens to the blocked kinds of
// encryption that a call leaves out, so the call has them as they are. They are no difference: only a
// bucket from after April 2026 blocks SSE-C by itself, and an account, or its region, may have others.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
func (b Bucket) encryptionRules(blocked []types.EncryptionType) types.ServerSideEncryptionConfiguration {
	r := types.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}}
	if arn := keyARN(b.Key); arn != "" {
		r.ApplyServerSideEncryptionByDefault = &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &arn}
		r.BucketKeyEnabled = new(true)
	}
	if len(blocked) > 0 {
		r.BlockedEncryptionTypes = &types.BlockedEncryptionTypes{EncryptionType: blocked}
	}
	return types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{r}}
}

func (b Bucket) encrypt(blocked []types.EncryptionType) doFunc {
	return func(ctx context.Context) error {
		_, err := b.API.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
			Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account, ServerSideEncryptionConfiguration: new(b.encryptionRules(blocked)),
		})
		return err
	}
}

func (b Bucket) putPolicy(ctx context.Context) error {
	_, err := b.API.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{
		Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account, Policy: new(b.policy()),
	})
	return err
}

func (b Bucket) putLifecycle(ctx context.Context) error {
	_, err := b.API.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account,
		LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: b.rules()},
	})
	return err
}

// explainDenied names the possible causes of an AccessDenied. S3 returns the same error
// for a bucket of another account and for a missing permission.
func (b Bucket) explainDenied(permission string, err error) error {
	if b.Regional {
		return fmt.Errorf("permission %s is missing: %w", permission, err)
	}
	return fmt.Errorf("bucket %s belongs to another account, or permission %s is missing: %w", b.Name, permission, err)
}

// readError explains the error of a call that reads.
func (b Bucket) readError(doing, permission string, err error) error {
	if errors.Is(err, provision.ErrAbsent) {
		return err
	}
	switch awserr.Code(err) {
	case "NoSuchBucket":
		return fmt.Errorf("%s: %w", doing, provision.ErrAbsent)
	case "PermanentRedirect", "MovedPermanently", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return fmt.Errorf("%s: bucket %s exists in another region%s: %w → set another bucket.name, or use that region", doing, b.Name, regionOf(err), err)
	case "AccessDenied", "Forbidden":
		return fmt.Errorf("%s: %w", doing, b.explainDenied(permission, err))
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// regionOf is the region of a bucket that is not here, as S3 names it in its reply, after a
// comma; empty if it does not.
func regionOf(err error) string {
	reply, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || reply.Response == nil || reply.Response.Header.Get("X-Amz-Bucket-Region") == "" {
		return ""
	}
	return ", " + reply.Response.Header.Get("X-Amz-Bucket-Region")
}
