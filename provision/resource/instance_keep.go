package resource

import (
	"context"
	"strconv"

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
	have := launchParts(m.Launch)
	i = i.withVolumeOf(have).withAccessOf(m)
	if i.ignored.Has(fieldUserData) {
		text, err := i.ReadUserData(ctx, m.ID)
		if err != nil {
			return i, err
		}
		i.UserData = func() string { return text }
	}
	if i.ignored.Has(fieldType) {
		i.Type = m.Type
	}
	if name := have["image"]; name != "" && i.ignored.Has("image") {
		i.ImageName, i.Image = name, provision.Known(ImageState{ID: m.ImageID})
	}
	if !i.ignored.Has(fieldType) && !i.ignored.Has("image") {
		return i, nil
	}
	o, err := (Offering{API: i.API, Type: i.Type, Image: i.Image}).Read(ctx)
	i.Offering = provision.Known(o)
	return i, err
}

func (i Instance) withVolumeOf(have map[string]string) Instance {
	if n, err := strconv.Atoi(have["volume"]); err == nil && i.ignored.Has("volume") {
		i.VolumeGiB = n
	}
	if i.ignored.Has("volume key") {
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
