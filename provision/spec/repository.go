package spec

import "github.com/flowbed/flowbed/provision/names"

// Repository is a private ECR repository for the images of flows. It is encrypted
// with ECR's keys. Images without a tag expire after a day. Without this block,
// there is no repository.
type Repository struct {
	// Enabled leaves the block out if it is false, where the defaults have one.
	// Default: true.
	Enabled *bool `hcl:"enabled,optional"`

	// Name is the repository's name. Default: `flowbed-<env>`.
	Name string `hcl:"name,optional" spec:"names"`

	// KeepImages is how many images to keep; older images expire. 0 keeps all of
	// them. Default: 30.
	KeepImages *int `hcl:"keep_images,optional"`

	// ScanOnPush scans each image for known vulnerabilities when it is pushed,
	// unless the registry has scanning settings of its own. Default: true.
	ScanOnPush *bool `hcl:"scan_on_push,optional"`

	// ImmutableTags rejects a push to a tag that exists. Default: false.
	ImmutableTags bool `hcl:"immutable_tags,optional"`

	// ForceDestroy lets `down` delete the repository together with its images.
	// Otherwise, down stops if the repository contains images. Default: false.
	ForceDestroy bool `hcl:"force_destroy,optional"`

	// Ownership works as in the bucket block. Default: "own".
	Ownership string `hcl:"ownership,optional"`

	// IgnoreChanges works as in the bucket block. Default: none.
	IgnoreChanges []string `hcl:"ignore_changes,optional"`
}

func (r *Repository) complete(n names.Names) {
	or(&r.Name, n.Plain())
	or(&r.Ownership, "own")
	if r.KeepImages == nil {
		r.KeepImages = new(30)
	}
	if r.ScanOnPush == nil {
		r.ScanOnPush = new(true)
	}
}

// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
var repositoryName = compile(`^([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*$`)

func (r *Repository) checkNames(d *decoder) {
	if n := len(r.Name); d.has(&r.Name) && (n < 2 || n > 256 || !repositoryName.matches(r.Name)) {
		d.bad(&r.Name, "Invalid repository name",
			"%s is not a valid ECR repository name. → use 2 to 256 lowercase letters and digits, with single dots, hyphens, underscores or slashes between them")
	}
}

func (r *Repository) claims() []claim {
	return claimed("repository", r.Ownership, inRegion, &r.Name)
}

func (r *Repository) check(d *decoder) {
	d.oneOf(&r.Ownership, "ownership", ownerships...)
	if n := r.KeepImages; d.has(&r.KeepImages) && n != nil && (*n < 0 || *n > 1<<31-1) {
		d.bad(&r.KeepImages, "Invalid keep_images", "%s is not a number of images. → use 0 to keep all of them, or the number of images to keep")
	}
}
