package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// Ignoring implements provision.Ignorer: an instance is replaced, instead of repaired, only if
// it differs in what is not ignored.
func (i Instance) Ignoring(fields provision.Fields) provision.Resource[InstanceState] {
	i.ignored = fields
	return i
}

// replace launches an instance in place of another one.
func (i Instance) replace(m EC2Instance) func(context.Context, provision.Fields) error {
	return func(ctx context.Context, _ provision.Fields) error {
		like, err := i.like(ctx, m)
		if err != nil {
			return err
		}
		return like.launch(ctx)
	}
}

// like returns the instance that replaces another one. It has the ignored fields of that one as
// far as a launch can set them: its place, its profile and its queue are those of today.
func (i Instance) like(ctx context.Context, m EC2Instance) (Instance, error) {
	if text := i.mismatch(m); text != "" {
		return i, errors.New(text)
	}
	file := i
	i = i.withVolumeOf(m).withAccessOf(m).withSoftwareOf(m)
	if i.ignored.Has(fieldUserData) {
		text, err := i.ReadUserData(ctx, m.ID)
		if err != nil {
			return i, err
		}
		i.UserData = func() string { return text }
	}
	kept, _ := i.Image.Get()
	if of, _ := file.Image.Get(); kept == of && i.Type == file.Type {
		return i, nil
	}
	wanted, err := file.Offering.Await(ctx)
	if err != nil {
		return i, err
	}
	o, err := (Offering{API: i.API, Type: i.Type, Image: i.Image}).Read(ctx)
	o.key, o.keyNotes = wanted.key, wanted.keyNotes // those of the account
	i.Offering = provision.Known(o)
	return i, err
}

// withSoftwareOf keeps the type and the image. An image that the file names by its release is the
// one for the type in the file: where the kept type has another architecture, the image stays, too.
func (i Instance) withSoftwareOf(m EC2Instance) Instance {
	have := launchParts(m.Launch)["image"]
	other := i.byRelease() && architecture(m.Type) != architecture(i.Type)
	if i.ignored.Has(fieldImage) && have != "" || i.ignored.Has(fieldType) && other {
		i.ImageName, i.Image = cmp.Or(have, i.ImageName), provision.Known(ImageState{ID: m.ImageID})
	}
	if i.ignored.Has(fieldType) {
		i.Type = m.Type
	}
	return i
}

// byRelease reports whether the file names a release, which has an image for each architecture.
func (i Instance) byRelease() bool { return !strings.HasPrefix(i.ImageName, "ami-") }

// mismatch says why no instance can replace another one as the file wants it: of its type and its
// image, one is ignored, and they have different architectures.
func (i Instance) mismatch(m EC2Instance) string {
	image, have, want := launchParts(m.Launch)["image"], architecture(m.Type), architecture(i.Type)
	keepsType, keepsImage := i.ignored.Has(fieldType), i.ignored.Has(fieldImage)
	switch {
	case have == want, image == "", keepsType == keepsImage:
		return ""
	case keepsImage:
		return fmt.Sprintf("the ignored image of %s is for %s, and the instance type, %s, is %s → set agent.instance_type to a type of %s, or remove %q from ignore_changes",
			m.ID, have, i.Type, want, have, fieldImage)
	case image != i.ImageName && i.byRelease():
		return fmt.Sprintf("the image %s is for %s, and the ignored instance type, %s, is %s → set agent.instance_type to a type of %s, or add %q to ignore_changes",
			i.ImageName, want, m.Type, have, have, fieldImage)
	}
	return ""
}

// withVolumeOf keeps the size and the key of a volume, as far as they are known.
func (i Instance) withVolumeOf(m EC2Instance) Instance {
	have := launchParts(m.Launch)
	if n, err := strconv.Atoi(have["volume"]); err == nil && i.ignored.Has("volume") {
		i.VolumeGiB = n
	}
	if i.ignored.Has("volume key") && m.Launch != "" {
		i.VolumeKey = provision.Ref[KMSKeyState]{}
		if key := have["volume-key"]; key != "" {
			i.VolumeKey = provision.Known(KMSKeyState{ARN: i.ID.ARN("kms", i.ID.Region, "key/"+key)})
		}
	}
	return i
}

// withAccessOf keeps who can reach an instance. Groups of another VPC cannot be kept. The key pair
// of the file has the public key of the file, whether others may change which pair it is or not.
func (i Instance) withAccessOf(m EC2Instance) Instance {
	if k, known := i.Key.Expect(); i.ignored.Has("key pair") && (!known || m.Key != k.Name) {
		i.Key = provision.Ref[KeyPairState]{}
		if m.Key != "" {
			i.Key = provision.Known(KeyPairState{Name: m.Key})
		}
	}
	if n, ok := i.Network.Get(); ok && n.VPC == m.VPC && i.ignored.Has("security groups") {
		i.Groups = nil
		for _, id := range m.Groups {
			i.Groups = append(i.Groups, provision.Known(SecurityGroupState{ID: id}))
		}
	}
	return i
}
