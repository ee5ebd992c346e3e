package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

var instanceType = compile(`^[a-z][a-z0-9-]*\.[a-z0-9-]+$`)

func (d *decoder) checkAgent(a *Agent) {
	if d.has(&a.InstanceType) && !instanceType.matches(a.InstanceType) {
		d.bad(&a.InstanceType, "Bad instance type", `%s is no EC2 instance type. Use for example "t2.micro" or "t3.small".`)
	}
	d.checkMemory(a)
	if d.has(&a.Image) {
		d.checkImage(a)
	}
	if d.has(&a.VolumeGiB) && (a.VolumeGiB < 8 || a.VolumeGiB > 16384) {
		d.bad(&a.VolumeGiB, "Bad volume size", "A volume of %s GiB cannot be. Use 8 to 16384: the image needs 8, and gp3 ends at 16384.")
	}
	if a.SSH != nil {
		d.checkSSH(a.SSH)
	}
	if a.Prefect != nil {
		d.checkPrefect(a.Prefect)
	} else if b := d.blocks[a]; !d.meant[meant{b.Body, "prefect"}] {
		d.errorAt(b.DefRange(), "Missing block", `The agent needs to know its Prefect API. Add to the agent block: prefect { api_url = "…" }`)
	}
}

var images = []string{"al2023", "al2"}

func (d *decoder) checkImage(a *Agent) {
	if a.Image == "al2" {
		d.warnAt(d.given[&a.Image].attr.Expr.Range(), "Old image", "Amazon Linux 2 has no Python that any of these Prefects runs on, so the agent's setup ends with an error there. Use \"al2023\".")
	}
	if slices.Contains(images, a.Image) || objectID("ami", a.Image) {
		return
	}
	hint := ""
	if d.given[&a.Image].open {
		hint = didYouMean(a.Image, images)
	}
	d.bad(&a.Image, "Unknown image", `%s is no image.%s Use "al2023", "al2", or the id of an AMI such as "ami-0a1b2c3d4e5f67890".`, hint)
}

func (d *decoder) checkSSH(s *SSH) {
	d.checkKeys(s)
	if d.has(&s.PublicKey) {
		if why := badKey(s.PublicKey); why != "" { // never shown: it may be the private one
			d.errorAt(d.given[&s.PublicKey].attr.Expr.Range(), "Bad public key", why)
		}
	}
	if d.has(&s.KeyName) && (s.KeyName == "" || len(s.KeyName) > 255 || strings.TrimSpace(s.KeyName) != s.KeyName) {
		d.bad(&s.KeyName, "Bad key name", "%s is no name of a key pair. Use 1 to 255 characters without spaces around them.")
	}
	if d.has(&s.CIDR) && s.CIDR != "auto" {
		d.checkCIDR(s)
	}
}

// checkKeys checks that there is one key.
func (d *decoder) checkKeys(s *SSH) {
	b, key, name := d.blocks[s], d.written(&s.PublicKey), d.written(&s.KeyName)
	misspelt := d.meant[meant{b.Body, "public_key"}] || d.meant[meant{b.Body, "key_name"}]
	switch {
	case key && name:
		d.errorAt(d.given[&s.KeyName].attr.NameRange, "Two keys", "An ssh block has either public_key, which is imported, or key_name, which exists already. Remove one of them.")
	case !key && !name && !misspelt:
		d.errorAt(b.DefRange(), "No key", `An open port without a key lets nobody in. Add public_key = file("~/.ssh/id_ed25519.pub"), or key_name = "…" of an existing EC2 key pair.`)
	}
}

func (d *decoder) checkCIDR(s *SSH) {
	p, err := netip.ParsePrefix(s.CIDR)
	switch addr, notAddr := netip.ParseAddr(s.CIDR); {
	case err != nil && notAddr == nil && addr.Zone() == "" && d.given[&s.CIDR].open:
		d.bad(&s.CIDR, "Bad CIDR", "%s is an address and no range. For this address alone, use %q.", netip.PrefixFrom(addr, addr.BitLen()).String())
	case err != nil:
		d.bad(&s.CIDR, "Bad CIDR", `%s is no address range. Use for example "203.0.113.7/32" or "2001:db8::/64", or "auto" for the address from which flowbed runs.`)
	case p.Addr().Is4In6():
		d.bad(&s.CIDR, "Bad CIDR", "%s is an IPv4 range in IPv6 form, which EC2 does not match against IPv4 traffic. Write it as IPv4.")
	case worldOpen(p) && !s.AllowWorld && !d.undecided(&s.AllowWorld):
		d.bad(&s.CIDR, "SSH open to the world", `%s opens port 22 to the world, or to a large part of it. Use "auto" or a smaller range, or add allow_world = true if it is meant.`)
	}
}

// worldOpen takes the ranges that nobody is given for a network of their own for
// a slip of the finger: what a registry hands out is /8 and /12 at most.
func worldOpen(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < 8
	}
	return p.Bits() < 12
}

// badKey says why a text is no public key that EC2 takes, or nothing.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-key-pairs.html
func badKey(text string) string {
	const remedy = ` Use the one line of a .pub file, for example file("~/.ssh/id_ed25519.pub").`
	if strings.Contains(text, "PRIVATE KEY") {
		return "This is a private key, which must not leave your machine." + remedy
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	switch {
	case err != nil:
		return "This is no OpenSSH public key." + remedy
	case len(options) > 0:
		return "The key has options before it, which EC2 does not take. Remove them."
	case len(strings.TrimSpace(string(rest))) > 0:
		return "There is more than one key, and EC2 takes one." + remedy
	case key.Type() != ssh.KeyAlgoED25519 && key.Type() != ssh.KeyAlgoRSA:
		return fmt.Sprintf("EC2 takes keys of the types ed25519 and rsa, and this is %s.%s", key.Type(), " Make one: ssh-keygen -t ed25519")
	}
	return ""
}
