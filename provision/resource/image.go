package resource

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// Image is the AMI of the agent's instance.
type Image struct {
	SSM   *ssm.Client
	ID    Identity
	Image string // "al2023", "al2", or the id of an AMI
	Type  string // the instance type, which decides the architecture

	Reader *ParameterReader // of the environment's parameters; nil reads this one alone
}

// ImageState is the AMI that Image resolves to.
type ImageState struct{ ID string }

// These public parameters hold the id of the newest AMI in a region:
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
		return ImageState{}, fmt.Errorf("unknown image %q", i.Image)
	}
	have, err := i.Reader.read(ctx, i.SSM, name, true) // decryption has no effect on plain text
	if err != nil {
		return ImageState{}, fmt.Errorf("read public parameter %s: %w", name, err)
	}
	return ImageState{ID: deref(have.Value)}, nil
}

// Parameter is the name of the public parameter with the AMI's id; empty if the image is
// itself an id.
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

// graviton matches instance families with ARM processors: they have a "g" after the
// generation, such as t4g, c7gn or x2gd. GPU families such as g4dn have it before.
var graviton = regexp.MustCompile(`^(a1|[a-z]+[0-9]+[a-z]*g[a-z]*)\.`)

// architecture is the architecture of an instance type, as the public parameters spell it.
func architecture(instanceType string) string {
	if graviton.MatchString(instanceType) {
		return "arm64"
	}
	return "x86_64"
}

// Permissions are what the call needs. Public parameters have no account in their ARN.
func (i Image) Permissions() (p Permissions) {
	if name := i.Parameter(); name != "" {
		all := "arn:" + i.ID.Partition + ":ssm:" + i.ID.Region + "::parameter/aws/service/ami-amazon-linux-latest/*"
		p.Read = []Permission{i.Reader.permission(all, name)}
	}
	return p
}
