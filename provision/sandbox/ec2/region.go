package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// fresh returns the EC2 part of a new region: a default VPC with an internet
// gateway, its default group, and one public subnet in each zone.
func fresh(region string) *database {
	d := &database{
		VPCs: map[string]*vpc{}, Subnets: map[string]*subnet{}, Routes: map[string]*routeTable{},
		Groups: map[string]*securityGroup{}, Keys: map[string]*keyPair{}, Gateways: map[string]*gateway{},
		Instances: map[string]*instance{}, Volumes: map[string]*volume{}, Interfaces: map[string]*nic{},
	}
	v := &vpc{ID: fixedID("vpc", region), CIDR: "172.31.0.0/16", Default: true, Tags: core.Tags{}}
	d.VPCs[v.ID] = v
	for i, zone := range zones(region) {
		s := &subnet{
			ID: fixedID("subnet", zone), VPC: v.ID, Zone: zone, CIDR: fmt.Sprintf("172.31.%d.0/20", 16*i),
			MapPublicIP: true, Default: true, Tags: core.Tags{},
		}
		d.Subnets[s.ID] = s
	}
	g := &gateway{ID: fixedID("igw", region), VPC: v.ID, Tags: core.Tags{}}
	d.Gateways[g.ID] = g
	d.addVPCParts(region, v, g.ID)
	return d
}

// addVPCParts adds what AWS creates with every VPC: a main route table, and a group
// named default whose members may reach each other.
func (d *database) addVPCParts(seed string, v *vpc, gateway string) {
	t := &routeTable{ID: fixedID("rtb", seed), VPC: v.ID, Main: true, Gateway: gateway}
	d.Routes[t.ID] = t
	g := &securityGroup{
		ID: fixedID("sg", seed), Name: "default", Description: "default VPC security group", VPC: v.ID,
		Egress: []rule{allowAll}, Tags: core.Tags{},
	}
	g.Ingress = []rule{{Protocol: "-1", Group: g.ID}}
	d.Groups[g.ID] = g
}

var allowAll = rule{Protocol: "-1", CIDR: "0.0.0.0/0"}

// fixedID returns an id in EC2's format that depends only on the seed.
func fixedID(prefix, seed string) string {
	h := sha256.Sum256([]byte(prefix + "/" + seed))
	return prefix + "-0" + hex.EncodeToString(h[:8])
}

func zones(region string) (list []string) {
	letters := "abc"
	switch region {
	case "us-east-1":
		letters = "abcdef"
	case "us-west-2", "ap-northeast-2":
		letters = "abcd"
	}
	for _, l := range letters {
		list = append(list, region+string(l))
	}
	return list
}

// instanceType describes an instance type. The free types are those of accounts
// created after 15 July 2025.
type instanceType struct {
	name         string
	cpus         int32
	mib          int64
	architecture string
	hypervisor   string
	free         bool
}

var instanceTypes = []instanceType{
	{"c7i-flex.large", 2, 4096, "x86_64", "nitro", true},
	{"m5.large", 2, 8192, "x86_64", "nitro", false},
	{"m7g.large", 2, 8192, "arm64", "nitro", false},
	{"m7i-flex.large", 2, 8192, "x86_64", "nitro", true},
	{"t2.medium", 2, 4096, "x86_64", "xen", false},
	{"t2.micro", 1, 1024, "x86_64", "xen", false},
	{"t2.nano", 1, 512, "x86_64", "xen", false},
	{"t2.small", 1, 2048, "x86_64", "xen", false},
	{"t3.medium", 2, 4096, "x86_64", "nitro", false},
	{"t3.micro", 2, 1024, "x86_64", "nitro", true},
	{"t3.nano", 2, 512, "x86_64", "nitro", false},
	{"t3.small", 2, 2048, "x86_64", "nitro", true},
	{"t3a.micro", 2, 1024, "x86_64", "nitro", false},
	{"t3a.small", 2, 2048, "x86_64", "nitro", false},
	{"t4g.medium", 2, 4096, "arm64", "nitro", false},
	{"t4g.micro", 2, 1024, "arm64", "nitro", true},
	{"t4g.small", 2, 2048, "arm64", "nitro", true},
}

func findType(name string) (instanceType, bool) {
	i := slices.IndexFunc(instanceTypes, func(t instanceType) bool { return t.name == name })
	if i < 0 {
		return instanceType{}, false
	}
	return instanceTypes[i], true
}

// noT2 lists regions that opened after t3 replaced t2.
var noT2 = []string{"eu-north-1", "ap-east-1", "eu-south-1", "ap-southeast-3", "il-central-1"}

// offered reports whether a zone offers a type. AWS's offerings have gaps: t2 in
// newer regions and zones, t3 in the oldest zone.
func offered(name, region, zone string) bool {
	switch family, _, _ := strings.Cut(name, "."); family {
	case "t2":
		return !slices.Contains(noT2, region) && zone != "us-west-2d"
	case "t3", "t3a", "t4g", "m7g":
		return zone != "us-east-1e"
	}
	return true
}

// PublicImage returns the id of the AWS image that a public parameter names, or "".
// release says which release of the image.
func PublicImage(region, parameter string, release int) string {
	for _, i := range publicImages(region, release) {
		if parameter == "/aws/service/ami-amazon-linux-latest/"+i.Name {
			return i.ID
		}
	}
	return ""
}

// publicImages returns AWS's images. The name of each is the last part of its
// parameter's name.
func publicImages(region string, release int) (list []*image) {
	for _, name := range []string{
		"al2023-ami-kernel-default-x86_64", "al2023-ami-kernel-default-arm64",
		"amzn2-ami-kernel-5.10-hvm-x86_64-gp2", "amzn2-ami-kernel-5.10-hvm-arm64-gp2",
		"amzn2-ami-hvm-x86_64-gp2", "amzn2-ami-hvm-arm64-gp2",
	} {
		i := &image{
			ID:   fixedID("ami", fmt.Sprint(region, name, release)),
			Name: name, Architecture: "x86_64", RootDevice: "/dev/xvda", RootGiB: 8,
			Created: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC).AddDate(0, release, 0),
		}
		if strings.Contains(name, "arm64") {
			i.Architecture = "arm64"
		}
		list = append(list, i)
	}
	return list
}

// image finds an image to launch. It may be any release: an old image stays
// available.
func (r *request) image(id string) *image {
	for release := range r.Account.ImageRelease + 1 {
		for _, i := range publicImages(r.Region, release) {
			if i.ID == id {
				return i
			}
		}
	}
	return nil
}
