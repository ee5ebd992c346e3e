package lifecycle

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

const (
	oneKey   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICQkiy0CR+4w9HSc3ha9TTAHmOs+2k9PzOIk7aswvByJ flowbed"
	otherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDLYFxgWeCd1emvAPX8NXK0a3H16/fUepu8fRb8XDW9c other"
)

// KeyPair is an imported public key.
var KeyPair = register(Case{
	Name: "key pair", Step: "key pair",
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "key pair", provision.Own, resource.KeyPair{
			API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: agentName, PublicKey: oneKey,
		})
	},
	Fields: []Field{
		{"public key", onEC2(func(ctx context.Context, w *World, api *ec2.Client) error {
			if _, err := api.DeleteKeyPair(ctx, &ec2.DeleteKeyPairInput{KeyName: aws.String(agentName)}); err != nil {
				return err
			}
			_, err := api.ImportKeyPair(ctx, &ec2.ImportKeyPairInput{
				KeyName: aws.String(agentName), PublicKeyMaterial: []byte(otherKey),
				TagSpecifications: ec2TagsFor(w.ID.Tags(agentName), types.ResourceTypeKeyPair)})
			return err
		})},
		{"tags", onEC2(func(ctx context.Context, _ *World, api *ec2.Client) error {
			out, err := api.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{KeyNames: []string{agentName}})
			if err != nil {
				return err
			}
			return untag(ctx, api, *out.KeyPairs[0].KeyPairId)
		})},
	},
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := ec2.NewFromConfig(w.Config).ImportKeyPair(ctx, &ec2.ImportKeyPairInput{
			KeyName: aws.String(agentName), PublicKeyMaterial: []byte(otherKey),
			TagSpecifications: ec2TagsFor(tags, types.ResourceTypeKeyPair)})
		return err
	},
})

func onEC2(f func(context.Context, *World, *ec2.Client) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error { return f(ctx, w, ec2.NewFromConfig(w.Config)) }
}

// untag removes a tag from an object that should have it.
func untag(ctx context.Context, api *ec2.Client, id string) error {
	_, err := api.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String("team")}}})
	return err
}

func ec2TagsFor(tags resource.Tags, kinds ...types.ResourceType) (specs []types.TagSpecification) {
	for _, k := range kinds {
		specs = append(specs, types.TagSpecification{ResourceType: k, Tags: list(tags, ec2Tag)})
	}
	return specs
}

func ec2Tag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
