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
	for _, field := range i.ignored {
		switch field {
		case fieldType:
			i.Type = m.Type
		case "image":
			if name := have["image"]; name != "" {
				i.ImageName, i.Image = name, provision.Known(ImageState{ID: m.ImageID})
			}
		case "volume":
			if n, err := strconv.Atoi(have["volume"]); err == nil {
				i.VolumeGiB = n
			}
		case "volume key":
			i.VolumeKey = provision.Ref[KMSKeyState]{}
			if key := have["volume-key"]; key != "" {
				i.VolumeKey = provision.Known(KMSKeyState{ARN: i.ID.ARN("kms", i.ID.Region, "key/"+key)})
			}
		case "key pair":
			i.Key = provision.Ref[KeyPairState]{}
			if m.Key != "" {
				i.Key = provision.Known(KeyPairState{Name: m.Key})
			}
		case "security groups":
			if n, ok := i.Network.Get(); ok && n.VPC == m.VPC {
				i.Groups = nil
				for _, id := range m.Groups {
					i.Groups = append(i.Groups, provision.Known(SecurityGroupState{ID: id}))
				}
			}
		case fieldUserData:
			text, err := i.ReadUserData(ctx, m.ID)
			if err != nil {
				return i, err
			}
			i.UserData = func() string { return text }
		}
	}
	if i.ignored.Has(fieldType) || i.ignored.Has("image") {
		o, err := (Offering{API: i.API, Type: i.Type, Image: i.Image}).Read(ctx)
		if err != nil {
			return i, err
		}
		i.Offering = provision.Known(o)
	}
	return i, nil
}
