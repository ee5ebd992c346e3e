// Package ecr is the sandbox's Elastic Container Registry: private repositories,
// their settings, and images as far as they are counted. It asks kms about the
// key of a repository.
package ecr

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/kms"
)

var service = core.NewService("ecr", func(r *core.Request) *request { return &request{r} }, core.Rules{})

var part = core.Regional("ecr",
	func(string) *database { return &database{} },
	func(_ *core.Request, d *database) any { return d.Repositories })

// request is a call in the hands of one of ECR's operations.
type request struct{ *core.Request }

// database is a region's part of ECR.
type database struct {
	Repositories map[string]*repository `json:"repositories,omitempty"` // by name
}

type repository struct {
	Name       string            `json:"name"`
	Mutability string            `json:"mutability"`
	Scan       bool              `json:"scan,omitempty"`
	Encryption string            `json:"encryption"`
	Key        string            `json:"key,omitempty"` // of KMS
	Lifecycle  string            `json:"lifecycle,omitempty"`
	Images     map[string]string `json:"images,omitempty"` // digests by tag
	Tags       core.Tags         `json:"tags,omitempty"`
	Created    time.Time         `json:"created"`
}

func (r *request) db() *database {
	d := part.In(r.Request)
	if d.Repositories == nil { // new, or empty when it was saved
		d.Repositories = map[string]*repository{}
	}
	return d
}

func init() {
	core.Register(service, createRepository, createAccess)
	core.Register(service, describeRepositories, describeAccess)
	core.Register(service, deleteRepository, deleteAccess)
	core.Register(service, putImageTagMutability, nameAccess)
	core.Register(service, putImageScanningConfiguration, nameAccess)
	core.Register(service, putLifecyclePolicy, nameAccess)
	core.Register(service, getLifecyclePolicy, nameAccess)
	core.Register(service, deleteLifecyclePolicy, nameAccess)
	core.Register(service, putImage, nameAccess)
	core.Register(service, describeImages, nameAccess)
	core.Register(service, listTagsForResource, tagsAccess)
	core.Register(service, tagResource, tagsAccess)
	core.Register(service, untagResource, tagsAccess)
}

// What AWS looks at for the calls of ECR:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html

func nameAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.repositoryARN(core.Text(in, "RepositoryName")))
}

func createAccess(r *request, a core.Access, in *ecr.CreateRepositoryInput) []core.Access {
	all := nameAccess(r, a, in)
	if len(in.Tags) > 0 {
		all = append(all, all[0].WithAction("ecr:TagResource"))
	}
	if key := keyIn(in.EncryptionConfiguration); key != "" {
		all = append(all, kms.Use{Key: key, Service: "ecr"}.Access(r.Request, "kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant")...)
	}
	return all
}

// deleteAccess also retires the grants of ECR on the key.
func deleteAccess(r *request, a core.Access, in *ecr.DeleteRepositoryInput) []core.Access {
	all := nameAccess(r, a, in)
	if p := r.db().Repositories[aws.ToString(in.RepositoryName)]; p != nil && p.Key != "" {
		all = append(all, kms.Use{Key: p.Key, Service: "ecr"}.Access(r.Request, "kms:RetireGrant")...)
	}
	return all
}

// keyIn is the key in a configuration; empty for AWS's own.
func keyIn(e *types.EncryptionConfiguration) string {
	if e == nil || e.EncryptionType == types.EncryptionTypeAes256 {
		return ""
	}
	return aws.ToString(e.KmsKey)
}

// describeAccess is about all repositories if none is named.
func describeAccess(r *request, a core.Access, in *ecr.DescribeRepositoriesInput) []core.Access {
	if len(in.RepositoryNames) == 0 {
		return a.To(r.repositoryARN("*"))
	}
	arns := make([]string, len(in.RepositoryNames))
	for i, name := range in.RepositoryNames {
		arns[i] = r.repositoryARN(name)
	}
	return a.To(arns...)
}

func tagsAccess[I any](_ *request, a core.Access, in *I) []core.Access {
	return a.To(core.Text(in, "ResourceArn"))
}

func (r *request) repositoryARN(name string) string {
	return r.ARN("ecr", r.Region, "repository/"+name)
}

// account is the id of the registry, too.
func (r *request) account() string { return strings.Split(r.repositoryARN(""), ":")[4] }

func invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: aws.String("Invalid parameter at " + fmt.Sprintf(format, args...))}
}

// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
var repositoryName = regexp.MustCompile(`^([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*$`)

func (r *request) repository(name *string) (*repository, error) {
	if p := r.db().Repositories[aws.ToString(name)]; p != nil {
		return p, nil
	}
	return nil, &types.RepositoryNotFoundException{Message: aws.String(fmt.Sprintf(
		"The repository with name '%s' does not exist in the registry with id '%s'", aws.ToString(name), r.account()))}
}

func (r *request) byARN(arn *string) (*repository, error) {
	name, ok := strings.CutPrefix(aws.ToString(arn), r.repositoryARN(""))
	if !ok {
		return nil, invalid("'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
	}
	return r.repository(&name)
}

func newTags(have core.Tags, add []types.Tag) (core.Tags, error) {
	list := make([]core.Tag, len(add))
	for i, t := range add {
		list[i] = core.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)}
	}
	return have.With(list, core.TagRules{Code: "InvalidTagParameterException", TooMany: "TooManyTagsException"})
}

func createRepository(r *request, in *ecr.CreateRepositoryInput) (*ecr.CreateRepositoryOutput, error) {
	name := aws.ToString(in.RepositoryName)
	if len(name) < 2 || len(name) > 256 || !repositoryName.MatchString(name) {
		return nil, invalid("'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '%s''", repositoryName)
	}
	t, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	d := r.db()
	if d.Repositories[name] != nil {
		return nil, &types.RepositoryAlreadyExistsException{Message: aws.String("The repository with name '" + name + "' already exists")}
	}
	p := &repository{Name: name, Mutability: string(in.ImageTagMutability), Encryption: string(types.EncryptionTypeAes256), Tags: t, Created: r.Now.UTC()}
	if p.Mutability == "" {
		p.Mutability = string(types.ImageTagMutabilityMutable)
	}
	if s := in.ImageScanningConfiguration; s != nil {
		p.Scan = s.ScanOnPush
	}
	if e := in.EncryptionConfiguration; e != nil {
		p.Encryption, p.Key = string(e.EncryptionType), keyIn(e)
		if p.Encryption == string(types.EncryptionTypeAes256) && e.KmsKey != nil {
			return nil, invalid("'encryptionConfiguration' failed to satisfy constraint: 'kmsKey can only be set with the encryption type KMS'")
		}
	}
	if err := r.checkKey(p.Key); err != nil {
		return nil, err
	}
	d.Repositories[name] = p
	return &ecr.CreateRepositoryOutput{Repository: r.shown(p)}, nil
}

func (r *request) shown(p *repository) *types.Repository {
	arn, account := r.repositoryARN(p.Name), r.account()
	return &types.Repository{
		RepositoryName: &p.Name, RepositoryArn: &arn, RegistryId: &account, CreatedAt: &p.Created,
		RepositoryUri:              aws.String(account + ".dkr.ecr." + r.Region + ".amazonaws.com/" + p.Name),
		ImageTagMutability:         types.ImageTagMutability(p.Mutability),
		ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: p.Scan},
		EncryptionConfiguration:    p.encryption(),
	}
}

func (p *repository) encryption() *types.EncryptionConfiguration {
	e := &types.EncryptionConfiguration{EncryptionType: types.EncryptionType(p.Encryption)}
	if p.Key != "" {
		e.KmsKey = &p.Key
	}
	return e
}

// checkKey checks whether ECR can make its grants on a key. It does so when a repository is
// created, and the encryption cannot be changed later.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html
func (r *request) checkKey(key string) error {
	if key == "" {
		return nil
	}
	if t := kms.Look(r.Request, key); t != "" {
		return &types.KmsException{Message: aws.String("The key " + key + " cannot be used"), KmsError: aws.String(string(t) + "Exception")}
	}
	return nil
}

func describeRepositories(r *request, in *ecr.DescribeRepositoriesInput) (*ecr.DescribeRepositoriesOutput, error) {
	var all []types.Repository
	for _, name := range in.RepositoryNames {
		p, err := r.repository(&name)
		if err != nil {
			return nil, err
		}
		all = append(all, *r.shown(p))
	}
	if len(in.RepositoryNames) > 0 {
		return &ecr.DescribeRepositoriesOutput{Repositories: all}, nil
	}
	for _, p := range core.Sorted(r.db().Repositories) {
		all = append(all, *r.shown(p))
	}
	list, next, err := core.Page(all, in.NextToken, in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	return &ecr.DescribeRepositoriesOutput{Repositories: list, NextToken: next}, nil
}

func deleteRepository(r *request, in *ecr.DeleteRepositoryInput) (*ecr.DeleteRepositoryOutput, error) {
	p, err := r.repository(in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if len(p.Images) > 0 && !in.Force {
		return nil, &types.RepositoryNotEmptyException{Message: aws.String(
			"The repository with name '" + p.Name + "' cannot be deleted because it still contains images")}
	}
	delete(r.db().Repositories, p.Name)
	return &ecr.DeleteRepositoryOutput{Repository: r.shown(p)}, nil
}

func putImageTagMutability(r *request, in *ecr.PutImageTagMutabilityInput) (*ecr.PutImageTagMutabilityOutput, error) {
	p, err := r.repository(in.RepositoryName)
	if err != nil {
		return nil, err
	}
	p.Mutability = string(in.ImageTagMutability)
	return &ecr.PutImageTagMutabilityOutput{RepositoryName: &p.Name, ImageTagMutability: in.ImageTagMutability}, nil
}

func putImageScanningConfiguration(r *request, in *ecr.PutImageScanningConfigurationInput) (*ecr.PutImageScanningConfigurationOutput, error) {
	p, err := r.repository(in.RepositoryName)
	if err != nil {
		return nil, err
	}
	p.Scan = in.ImageScanningConfiguration.ScanOnPush
	return &ecr.PutImageScanningConfigurationOutput{RepositoryName: &p.Name, ImageScanningConfiguration: in.ImageScanningConfiguration}, nil
}

// checkLifecycle has the rules for a policy that can be broken by accident.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
func checkLifecycle(text string) error {
	var doc struct {
		Rules []struct {
			RulePriority int `json:"rulePriority"`
			Selection    struct {
				TagStatus, CountType, CountUnit string
				CountNumber                     int
			} `json:"selection"`
			Action struct{ Type string } `json:"action"`
		} `json:"rules"`
	}
	bad := func(what string) error {
		return invalid("'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: %s'", what)
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil || len(doc.Rules) == 0 {
		return bad("string does not match a policy with rules")
	}
	seen, highest, anyTag := map[int]bool{}, 0, 0
	for _, rule := range doc.Rules {
		s := rule.Selection
		switch {
		case rule.RulePriority < 1 || seen[rule.RulePriority]:
			return bad("rule priorities must be unique and at least 1")
		case s.CountNumber < 1:
			return bad("countNumber must be at least 1")
		case s.CountType == "sinceImagePushed" && s.CountUnit != "days", s.CountType == "imageCountMoreThan" && s.CountUnit != "":
			return bad("countUnit is for sinceImagePushed alone")
		case rule.Action.Type != "expire":
			return bad("unknown action")
		}
		seen[rule.RulePriority], highest = true, max(highest, rule.RulePriority)
		if s.TagStatus == "any" {
			anyTag = rule.RulePriority
		}
	}
	if anyTag > 0 && anyTag != highest {
		return bad("the rule for any tag status must have the highest priority number")
	}
	return nil
}

func putLifecyclePolicy(r *request, in *ecr.PutLifecyclePolicyInput) (*ecr.PutLifecyclePolicyOutput, error) {
	p, err := r.repository(in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if err := checkLifecycle(aws.ToString(in.LifecyclePolicyText)); err != nil {
		return nil, err
	}
	p.Lifecycle = *in.LifecyclePolicyText
	return &ecr.PutLifecyclePolicyOutput{RepositoryName: &p.Name, LifecyclePolicyText: &p.Lifecycle}, nil
}

func noLifecycle(p *repository) error {
	return &types.LifecyclePolicyNotFoundException{Message: aws.String("Lifecycle policy does not exist for the repository with name '" + p.Name + "'")}
}

func getLifecyclePolicy(r *request, in *ecr.GetLifecyclePolicyInput) (*ecr.GetLifecyclePolicyOutput, error) {
	p, err := r.repository(in.RepositoryName)
	switch {
	case err != nil:
		return nil, err
	case p.Lifecycle == "":
		return nil, noLifecycle(p)
	}
	return &ecr.GetLifecyclePolicyOutput{RepositoryName: &p.Name, LifecyclePolicyText: &p.Lifecycle}, nil
}

func deleteLifecyclePolicy(r *request, in *ecr.DeleteLifecyclePolicyInput) (*ecr.DeleteLifecyclePolicyOutput, error) {
	p, err := r.repository(in.RepositoryName)
	switch {
	case err != nil:
		return nil, err
	case p.Lifecycle == "":
		return nil, noLifecycle(p)
	}
	out := &ecr.DeleteLifecyclePolicyOutput{RepositoryName: &p.Name, LifecyclePolicyText: aws.String(p.Lifecycle)}
	p.Lifecycle = ""
	return out, nil
}

// putImage keeps no more of an image than that it is there.
func putImage(r *request, in *ecr.PutImageInput) (*ecr.PutImageOutput, error) {
	p, err := r.repository(in.RepositoryName)
	if err != nil {
		return nil, err
	}
	tag := aws.ToString(in.ImageTag)
	if _, there := p.Images[tag]; there && p.Mutability == string(types.ImageTagMutabilityImmutable) {
		return nil, &types.ImageTagAlreadyExistsException{Message: aws.String("The image tag '" + tag + "' already exists and cannot be overwritten because the repository is immutable.")}
	}
	sum := sha256.Sum256([]byte(aws.ToString(in.ImageManifest)))
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if p.Images == nil {
		p.Images = map[string]string{}
	}
	p.Images[tag] = digest
	return &ecr.PutImageOutput{Image: &types.Image{RepositoryName: &p.Name, ImageId: &types.ImageIdentifier{ImageTag: &tag, ImageDigest: &digest}}}, nil
}

// HasImage reports whether a repository in the call's region has an image with a tag.
func HasImage(call *core.Request, name, tag string) bool {
	p := part.In(call).Repositories[name]
	return p != nil && p.Images[tag] != ""
}

func describeImages(r *request, in *ecr.DescribeImagesInput) (*ecr.DescribeImagesOutput, error) {
	p, err := r.repository(in.RepositoryName)
	if err != nil {
		return nil, err
	}
	var all []types.ImageDetail
	for _, tag := range core.SortedKeys(p.Images) {
		all = append(all, types.ImageDetail{RepositoryName: &p.Name, ImageDigest: aws.String(p.Images[tag]), ImageTags: []string{tag}})
	}
	list, next, err := core.Page(all, in.NextToken, in.MaxResults, 1000)
	if err != nil {
		return nil, err
	}
	return &ecr.DescribeImagesOutput{ImageDetails: list, NextToken: next}, nil
}

func listTagsForResource(r *request, in *ecr.ListTagsForResourceInput) (*ecr.ListTagsForResourceOutput, error) {
	p, err := r.byARN(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &ecr.ListTagsForResourceOutput{}
	for _, k := range p.Tags.Keys() {
		out.Tags = append(out.Tags, types.Tag{Key: aws.String(k), Value: aws.String(p.Tags[k])})
	}
	return out, nil
}

func tagResource(r *request, in *ecr.TagResourceInput) (*ecr.TagResourceOutput, error) {
	p, err := r.byARN(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	t, err := newTags(p.Tags, in.Tags)
	if err != nil {
		return nil, err
	}
	p.Tags = t
	return &ecr.TagResourceOutput{}, nil
}

func untagResource(r *request, in *ecr.UntagResourceInput) (*ecr.UntagResourceOutput, error) {
	p, err := r.byARN(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	p.Tags = p.Tags.Without(in.TagKeys)
	return &ecr.UntagResourceOutput{}, nil
}
