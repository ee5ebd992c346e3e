package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/names"
)

// Repository is a private ECR repository for the images of flows: encrypted with ECR's keys or
// with a key of KMS, and kept small by a lifecycle policy. On a repository of ours the
// lifecycle policy is ours alone.
type Repository struct {
	API          *ecr.Client
	ID           Identity
	Name         string
	KeepImages   int  // the newest; 0 keeps all
	ScanOnPush   bool // basic scanning; the registry's own settings go before it
	Immutable    bool // a tag cannot be pushed twice
	ForceDestroy bool // Delete also deletes the images
	Orphan       bool // an earlier spec had it; for CheckDelete

	Key   provision.Ref[KMSKeyState] // that encrypts the images; may be unset
	Names NameEntry

	ignored provision.Fields
}

// RepositoryState is a repository as it is found.
type RepositoryState struct {
	Name, ARN, URI string
	Mutability     string // "MUTABLE" or "IMMUTABLE"
	ScanOnPush     bool
	Lifecycle      string // JSON of the policy; empty if there is none
	Tags           Tags

	Encryption string // "AES256", or "KMS" and the ARN of the key
}

var (
	_ Kind[RepositoryState]                    = Repository{}
	_ Discoverer                               = Repository{}
	_ provision.Predictor[RepositoryState]     = Repository{}
	_ provision.Validator[RepositoryState]     = Repository{}
	_ provision.DeleteChecker[RepositoryState] = Repository{}
	_ provision.Labelled                       = RepositoryState{}
	_ provision.Ignorer[RepositoryState]       = Repository{}
)

// Owner implements provision.State.
func (s RepositoryState) Owner() provision.Owner { return s.Tags.Owner() }

// Label is the name.
func (s RepositoryState) Label() string { return s.Name }

// Predicted implements provision.Predictor.
func (r Repository) Predicted() RepositoryState {
	return RepositoryState{Name: r.Name, ARN: r.arn(), URI: r.uri()}
}

func (r Repository) arn() string { return r.ID.ARN("ecr", r.ID.Region, "repository/"+r.Name) }

// uri is where images are pushed to and pulled from.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
func (r Repository) uri() string {
	host := r.ID.Account + ".dkr.ecr." + r.ID.Region + ".amazonaws.com"
	if r.ID.Partition == "aws-cn" {
		host += ".cn"
	}
	return host + "/" + r.Name
}

// KindRepository is the kind in the log of names.
var KindRepository = renamable("repository")

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:   `RepositoryNotFoundException LifecyclePolicyNotFoundException`,
		awserr.Conflict: `RepositoryAlreadyExistsException`,
		awserr.Invalid:  `InvalidTagParameterException TooManyTagsException`,
	},
	Hints: map[string]string{
		"RepositoryNotEmptyException": "delete the images, or use --force-destroy",
	},
})

// Read implements provision.Resource. A repository that is not there takes one call.
func (r Repository) Read(ctx context.Context) (s RepositoryState, err error) {
	out, err := r.API.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RegistryId: &r.ID.Account, RepositoryNames: []string{r.Name}})
	if err == nil && len(out.Repositories) == 0 {
		err = provision.ErrAbsent
	}
	if err != nil {
		return s, absentRepository("read repository", err)
	}
	s.settings(out.Repositories[0])
	err = parallel(ctx,
		func(ctx context.Context) (err error) {
			s.Tags, err = r.readTags(ctx, s.ARN)
			return err
		},
		func(ctx context.Context) (err error) {
			s.Lifecycle, err = r.readLifecycle(ctx)
			return err
		},
	)
	if err != nil {
		return RepositoryState{}, err
	}
	return s, nil
}

func (s *RepositoryState) settings(o types.Repository) {
	s.Name, s.ARN, s.URI = deref(o.RepositoryName), deref(o.RepositoryArn), deref(o.RepositoryUri)
	s.Mutability = string(o.ImageTagMutability)
	s.ScanOnPush = deref(o.ImageScanningConfiguration).ScanOnPush
	e := deref(o.EncryptionConfiguration)
	s.Encryption = strings.TrimSpace(string(e.EncryptionType) + " " + deref(e.KmsKey))
}

// encryption is the desired encryption, in the form of RepositoryState.
func (r Repository) encryption() string {
	if key := keyARN(r.Key); key != "" {
		return string(types.EncryptionTypeKms) + " " + key
	}
	return string(types.EncryptionTypeAes256)
}

// Ignoring implements provision.Ignorer: a repository whose encryption is ignored is not
// replaced, so it gets the rest.
func (r Repository) Ignoring(fields provision.Fields) provision.Resource[RepositoryState] {
	r.ignored = fields
	return r
}

const fieldEncryption = "encryption"

// differs reports whether the encryption of a repository is another one. Without a key in the
// spec, a repository keeps the one that it has.
func (r Repository) differs(have string) bool {
	return r.Key.Set() && have != "" && have != r.encryption()
}

// replaces reports whether a repository with an encryption must give way to a new one: ECR
// cannot change it.
func (r Repository) replaces(have string) bool {
	return r.differs(have) && !r.ignored.Has(fieldEncryption)
}

// Validate implements provision.Validator.
func (r Repository) Validate(have RepositoryState, found bool) []provision.Note {
	switch {
	case !found:
	case r.replaces(have.Encryption):
		return []provision.Note{{Severity: provision.Info, Text: `to keep the repository and its encryption, set ignore_changes = ["encryption"]`}}
	case !r.Key.Set() && strings.Contains(have.Encryption, ":key/"):
		return []provision.Note{{Severity: provision.Info, Text: "keeps its encryption with " + strings.TrimPrefix(have.Encryption, "KMS ") +
			": ECR cannot change it, and without the key nobody can read its images"}}
	}
	return nil
}

func (r Repository) readTags(ctx context.Context, arn string) (Tags, error) {
	out, err := r.API.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: &arn})
	if err != nil {
		return nil, absentRepository("read tags", err)
	}
	return tagsOf(out.Tags, func(t types.Tag) (*string, *string) { return t.Key, t.Value }), nil
}

func (r Repository) readLifecycle(ctx context.Context) (string, error) {
	out, err := r.API.GetLifecyclePolicy(ctx, &ecr.GetLifecyclePolicyInput{RegistryId: &r.ID.Account, RepositoryName: &r.Name})
	if _, none := errors.AsType[*types.LifecyclePolicyNotFoundException](err); none {
		return "", nil
	}
	if err != nil {
		return "", absentRepository("read lifecycle policy", err)
	}
	return plainJSON(deref(out.LifecyclePolicyText)), nil
}

func absentRepository(doing string, err error) error {
	if _, none := errors.AsType[*types.RepositoryNotFoundException](err); none {
		err = provision.ErrAbsent
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// plainJSON is a document without white space and in the order of its names, so
// that it reads the same however it was written; or the text, if it is none.
func plainJSON(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	b, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return string(b)
}

func ecrTag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }

// Create implements provision.Resource. Encryption cannot be changed later.
func (r Repository) Create(ctx context.Context) (*RepositoryState, error) {
	if err := r.Names.Register(ctx); err != nil {
		return nil, err
	}
	tags := marked(ctx, r.ID.Tags(r.Name))
	out, err := r.API.CreateRepository(ctx, &ecr.CreateRepositoryInput{
		RegistryId: &r.ID.Account, RepositoryName: &r.Name, Tags: tagList(tags, ecrTag),
		ImageTagMutability: r.mutability(), ImageScanningConfiguration: r.scanning(),
		EncryptionConfiguration: r.encryptionConfiguration(),
	})
	if err != nil {
		return nil, fmt.Errorf("create repository: %w", err)
	}
	if out.Repository == nil {
		return nil, nil // the next read tells
	}
	s := RepositoryState{Tags: tags}
	s.settings(deref(out.Repository))
	return &s, nil
}

func (r Repository) encryptionConfiguration() *types.EncryptionConfiguration {
	if key := keyARN(r.Key); key != "" {
		return &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeKms, KmsKey: &key}
	}
	return &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeAes256}
}

func (r Repository) mutability() types.ImageTagMutability {
	if r.Immutable {
		return types.ImageTagMutabilityImmutable
	}
	return types.ImageTagMutabilityMutable
}

func (r Repository) scanning() *types.ImageScanningConfiguration {
	return &types.ImageScanningConfiguration{ScanOnPush: r.ScanOnPush}
}

// Changes implements provision.Resource.
func (r Repository) Changes(have RepositoryState) []provision.Change {
	c := tagChange(have.Tags, r.ID.Tags(r.Name), false, tagger{r.setTags(have.ARN), r.dropTags(have.ARN)})
	switch {
	case have.Name == "":
		c = append(c, provision.Change{Field: fieldEncryption, To: provision.Text(r.encryption())})
	case r.differs(have.Encryption):
		c = append(c, provision.Change{
			Field: fieldEncryption, From: provision.Text(have.Encryption), To: provision.Text(r.encryption()), Replace: true,
			Why: "ECR cannot change the encryption of a repository",
			Do:  func(ctx context.Context) error { return r.Delete(ctx, have) },
		})
		if r.replaces(have.Encryption) { // the new one also gets the rest
			return c
		}
	}
	c = append(c, diffText("image tags", strings.ToLower(have.Mutability), strings.ToLower(string(r.mutability())), r.setMutability)...)
	scan := ""
	if have.Name != "" {
		scan = onOff(have.ScanOnPush)
	}
	c = append(c, diffText("scan on push", scan, onOff(r.ScanOnPush), r.setScanning)...)
	if want := r.lifecycle(); have.Lifecycle != want {
		c = append(c, provision.Change{
			Field: "lifecycle policy", From: provision.JSON(have.Lifecycle), To: provision.JSON(want), Do: r.setLifecycle,
		})
	}
	return independent(c)
}

// lifecycle drops untagged images after a day, and keeps the newest of the others.
// The rule for all images must have the highest number.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
func (r Repository) lifecycle() string {
	rules := `{"rulePriority":1,"description":"flowbed: untagged images","selection":{"tagStatus":"untagged",` +
		`"countType":"sinceImagePushed","countUnit":"days","countNumber":1},"action":{"type":"expire"}}`
	if r.KeepImages > 0 {
		rules += fmt.Sprintf(`,{"rulePriority":2,"description":"flowbed: all but the newest images","selection":{"tagStatus":"any",`+
			`"countType":"imageCountMoreThan","countNumber":%d},"action":{"type":"expire"}}`, r.KeepImages)
	}
	return plainJSON(`{"rules":[` + rules + `]}`)
}

func (r Repository) setTags(arn string) func(context.Context, Tags) error {
	return func(ctx context.Context, t Tags) error {
		_, err := r.API.TagResource(ctx, &ecr.TagResourceInput{ResourceArn: &arn, Tags: tagList(t, ecrTag)})
		return err
	}
}

func (r Repository) dropTags(arn string) func(context.Context, []string) error {
	return func(ctx context.Context, keys []string) error {
		_, err := r.API.UntagResource(ctx, &ecr.UntagResourceInput{ResourceArn: &arn, TagKeys: keys})
		return err
	}
}

func (r Repository) setMutability(ctx context.Context) error {
	_, err := r.API.PutImageTagMutability(ctx, &ecr.PutImageTagMutabilityInput{
		RegistryId: &r.ID.Account, RepositoryName: &r.Name, ImageTagMutability: r.mutability(),
	})
	return err
}

func (r Repository) setScanning(ctx context.Context) error {
	_, err := r.API.PutImageScanningConfiguration(ctx, &ecr.PutImageScanningConfigurationInput{
		RegistryId: &r.ID.Account, RepositoryName: &r.Name, ImageScanningConfiguration: r.scanning(),
	})
	return err
}

func (r Repository) setLifecycle(ctx context.Context) error {
	_, err := r.API.PutLifecyclePolicy(ctx, &ecr.PutLifecyclePolicyInput{
		RegistryId: &r.ID.Account, RepositoryName: &r.Name, LifecyclePolicyText: new(r.lifecycle()),
	})
	return err
}

// CheckDelete implements provision.DeleteChecker. A repository with images stops the run,
// unless ForceDestroy is set.
func (r Repository) CheckDelete(ctx context.Context, _ RepositoryState) ([]provision.Note, error) {
	n, more, err := r.count(ctx)
	if err != nil || n == 0 {
		return nil, err
	}
	text, hint := "the repository", "delete all images, or delete it with its images (--force-destroy, or force_destroy = true)"
	if r.Orphan {
		text, hint = "the old repository", "delete all images, or delete it with its images (--force-destroy); to keep it, remove its tag "+KeyEnvironment
	}
	images := plural(n, "image")
	if more {
		images = "more than " + images
	}
	if r.ForceDestroy {
		return []provision.Note{{Severity: provision.Warn, Text: fmt.Sprintf("%s will be deleted with the repository %s", images, r.Name)}}, nil
	}
	return []provision.Note{{Severity: provision.Error, Text: fmt.Sprintf("%s %s is not empty: %s → %s", text, r.Name, images, hint)}}, nil
}

// count counts the images, of which ECR lists a thousand at a time.
func (r Repository) count(ctx context.Context) (n int, more bool, err error) {
	const most = 10
	pages := ecr.NewDescribeImagesPaginator(r.API, &ecr.DescribeImagesInput{RegistryId: &r.ID.Account, RepositoryName: &r.Name, MaxResults: new(int32(1000))})
	for range most {
		if !pages.HasMorePages() {
			return n, false, nil
		}
		page, err := pages.NextPage(ctx)
		if err := awserr.Gone(err); err != nil {
			return n, false, fmt.Errorf("count images: %w", err)
		}
		if page == nil {
			return 0, false, nil
		}
		n += len(page.ImageDetails)
	}
	return n, pages.HasMorePages(), nil
}

// Delete implements provision.Resource. Without force, ECR refuses to delete images
// that were pushed meanwhile.
func (r Repository) Delete(ctx context.Context, _ RepositoryState) error {
	_, err := r.API.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RegistryId: &r.ID.Account, RepositoryName: &r.Name, Force: r.ForceDestroy})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("delete repository: %w", err)
	}
	return nil
}

// Costs implements Kind: AWS bills what is in it.
func (Repository) Costs() []cost.Usage { return nil }

// Permissions are what the calls need.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
func (r Repository) Permissions() Permissions {
	arn := r.arn()
	all := Permissions{
		Read:        []Permission{on(arn, "ecr:DescribeRepositories", "ecr:ListTagsForResource", "ecr:GetLifecyclePolicy")},
		CheckDelete: []Permission{on(arn, "ecr:DescribeImages")},
		Build: []Permission{on(arn, "ecr:CreateRepository", "ecr:TagResource", "ecr:UntagResource", "ecr:PutLifecyclePolicy",
			"ecr:PutImageTagMutability", "ecr:PutImageScanningConfiguration")},
		Delete: []Permission{on(arn, "ecr:DeleteRepository")},
	}
	if r.Key.Set() {
		const why = "ECR makes grants on the key for the repository, and retires them"
		all.Build = append(all.Build, on(arn, "ecr:DeleteRepository"), r.ID.UseKey(keyARN(r.Key), "ecr", why, "kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant"))
		all.Delete = append(all.Delete, r.ID.UseKey(keyARN(r.Key), "ecr", why, "kms:RetireGrant"))
	}
	return all
}

// Discover implements Discoverer. The list of repositories has no tags.
func (r Repository) Discover(ctx context.Context, recorded Recorded) (list []Found, err error) {
	pages := ecr.NewDescribeRepositoriesPaginator(r.API, &ecr.DescribeRepositoriesInput{RegistryId: &r.ID.Account, MaxResults: new(int32(1000))})
	var others []Found // with names of another form
	arns := map[string]string{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list repositories in %s: %w", r.ID.Region, err)
		}
		for _, o := range page.Repositories {
			f := Found{Kind: KindRepository, Name: deref(o.RepositoryName), Created: deref(o.CreatedAt)}
			arns[f.Name] = deref(o.RepositoryArn)
			if strings.HasPrefix(f.Name, names.Prefix) {
				list = append(list, f)
			} else {
				others = append(others, f)
			}
		}
	}
	if len(others) > 0 { // only then are the recorded names worth waiting for
		named := recorded(ctx, KindRepository)
		list = append(list, slices.DeleteFunc(others, func(f Found) bool { return !slices.Contains(named, f.Name) })...)
	}
	return withTags(ctx, list, func(ctx context.Context, f Found) (Tags, error) { return r.readTags(ctx, arns[f.Name]) })
}
