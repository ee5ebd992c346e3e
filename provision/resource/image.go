package resource

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// Image is the machine image with which the agent starts.
type Image struct {
	SSM   *ssm.Client
	ID    Identity
	Image string // "al2023", "al2", or the id of an AMI
	Type  string // the instance type, which decides the architecture

	Reader *ParameterReader // of the environment's parameters; nil reads this one alone
}

// ImageState is an image as it is found.
type ImageState struct{ ID string }

// The public parameters hold the newest release for a region:
// https://docs.aws.amazon.com/linux/al2023/ug/ec2.html
var imageParameters = map[string]string{
	"al2023": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-",
	"al2":    "/aws/service/ami-amazon-linux-latest/amzn2-ami-kernel-5.10-hvm-",
}

// Read implements provision.DataSource.
func (i Image) Read(ctx context.Context) (ImageState, error) {
	if strings.HasPrefix(i.Image, "ami-") {
		return ImageState{ID: i.Image}, nil
	}
	name := i.Parameter()
	if name == "" {
		return ImageState{}, fmt.Errorf("no image is called %q", i.Image)
	}
	have, err := i.Reader.read(ctx, i.SSM, name, true) // which is the same for plain text
	if err != nil {
		return ImageState{}, fmt.Errorf("read the public parameter %s: %w", name, err)
	}
	return ImageState{ID: deref(have.Value)}, nil
}

// Parameter is the name of the public parameter that has the image's id; empty if
// there is none.
func (i Image) Parameter() string {
	name, ok := imageParameters[i.Image]
	if !ok {
		return ""
	}
	name += architecture(i.Type)
	if i.Image == "al2" {
		name += "-gp2"
	}
	return name
}

// graviton matches families whose name says so: a "g" behind the generation, as
// in t4g, c7gn or x2gd; g4dn and its kind have it before.
var graviton = regexp.MustCompile(`^(a1|[a-z]+[0-9]+[a-z]*g[a-z]*)\.`)

// architecture is the architecture of an instance type, in the words of the
// public parameters.
func architecture(instanceType string) string {
	if graviton.MatchString(instanceType) {
		return "arm64"
	}
	return "x86_64"
}

// Permissions are what the call needs. The public parameters belong to no account.
func (i Image) Permissions() (p Permissions) {
	if name := i.Parameter(); name != "" {
		all := "arn:" + i.ID.Partition + ":ssm:" + i.ID.Region + "::parameter/aws/service/ami-amazon-linux-latest/*"
		p.Read = []Permission{i.Reader.reading(all, name)}
	}
	return p
}
