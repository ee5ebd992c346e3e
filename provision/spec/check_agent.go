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
	d.checkQueues(a)
	d.checkLabels(a)
	d.checkEnv(&a.Env, badAgentVariable)
	d.checkPackages(&a.PipPackages)
	d.checkProxy(a)
	d.checkIndex(a)
	if r := a.Role; r != nil {
		d.checkAgentRole(r)
	}
	if a.Service != nil {
		d.checkService(a)
		return
	}
	if d.has(&a.InstanceType) && !instanceType.matches(a.InstanceType) {
		d.bad(&a.InstanceType, "Invalid instance type", `%s is not an EC2 instance type. → use, for example, "t2.micro" or "t3.small"`)
	}
	d.checkMemory(a)
	if d.has(&a.Image) {
		d.checkImage(a)
	}
	if d.has(&a.VolumeGiB) && (a.VolumeGiB < 8 || a.VolumeGiB > 16384) {
		d.bad(&a.VolumeGiB, "Invalid volume size", "%s GiB is not a valid volume size. → use 8 to 16384: the image needs 8, and 16384 is the limit of gp3")
	}
	d.checkSetup(a)
	if a.SSH != nil {
		d.checkSSH(a.SSH)
	}
}

func (d *decoder) checkAgentRole(r *AgentRole) {
	d.checkPolicies(&r.Policies, r.Statements)
	d.oneOf(&r.Ownership, "ownership", "own", "external")
	d.checkRoleName(&r.Name)
	if d.has(&r.InstanceProfile) && !profileName.matches(r.InstanceProfile) {
		d.bad(&r.InstanceProfile, "Invalid instance profile", "%s is not a valid name of an instance profile. → use up to 128 letters, digits and _+=,.@-, without a path")
	}
	switch own := !d.has(&r.Ownership) || r.Ownership == "own"; {
	case d.undecidedField(&r.Ownership):
	case r.Ownership == "external" && !d.written(&r.Name):
		d.errorAt(d.blockOf(r).DefRange(), "Missing attribute", `An external role needs "name". → for example: name = "data-agent"`)
	case own:
		const why = `flowbed names its own role and instance profile. → to use those of somebody else, set ownership = "external"`
		d.refuse(&r.Name, "Name of flowbed's own role", why)
		d.refuse(&r.InstanceProfile, "Name of flowbed's own instance profile", why)
	}
}

// profileName: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html
var profileName = compile(`^[A-Za-z0-9_+=,.@-]{1,128}$`)

// checkSetup checks the setup script as far as that needs no shell. It never shows the script.
func (d *decoder) checkSetup(a *Agent) {
	if !d.has(&a.Setup) {
		return
	}
	why := ""
	switch {
	case strings.TrimSpace(a.Setup) == "":
		why = "The script is empty. → remove the attribute"
	case strings.Contains(a.Setup, "\r\n"):
		why = `The script has the line ends of Windows, which no Unix shell understands. → write replace(file("…"), "\r\n", "\n")`
	case strings.ContainsRune(a.Setup, 0):
		why = "The script contains a zero byte. → use a text: file(\"setup.sh\")"
	case !strings.Contains(strings.TrimSpace(a.Setup), "\n") && scriptName.matches(strings.TrimSpace(a.Setup)):
		why = "This is the name of a file, and not its content. → write setup = file(\"…\")"
	}
	if why != "" {
		d.errorAt(d.given[&a.Setup].attr.Expr.Range(), "Invalid setup script", why)
	}
}

// scriptName matches the name of a script file.
var scriptName = compile(`^[A-Za-z0-9_.~/-]+\.(sh|bash|py)$`)

var images = []string{"al2023", "al2"}

func (d *decoder) checkImage(a *Agent) {
	if a.Image == "al2" {
		d.warnAt(d.given[&a.Image].attr.Expr.Range(), "Old image", "Amazon Linux 2 does not have a Python that these Prefect versions support, so the agent's setup fails. → use \"al2023\"")
	}
	if slices.Contains(images, a.Image) || objectID("ami", a.Image) {
		return
	}
	hint := ""
	if d.given[&a.Image].open {
		hint = didYouMean(a.Image, images)
	}
	d.bad(&a.Image, "Invalid image", `%s is not a valid image.%s`,
		advice(hint, `use "al2023", "al2", or an AMI id such as "ami-0a1b2c3d4e5f67890"`))
}

func (d *decoder) checkSSH(s *SSH) {
	d.checkKeys(s)
	if d.has(&s.PublicKey) {
		if why := badKey(s.PublicKey); why != "" { // never shown: it may be the private one
			d.errorAt(d.given[&s.PublicKey].attr.Expr.Range(), "Invalid public key", why)
		}
	}
	if d.has(&s.KeyName) && (s.KeyName == "" || len(s.KeyName) > 255 || strings.TrimSpace(s.KeyName) != s.KeyName) {
		d.bad(&s.KeyName, "Invalid key name", "%s is not a valid key pair name. → use 1 to 255 characters, with no space at either end")
	}
	if d.has(&s.CIDR) && s.CIDR != "auto" {
		d.checkCIDR(s)
	}
}

// checkKeys checks that the block sets exactly one key.
func (d *decoder) checkKeys(s *SSH) {
	b, key, name := d.blockOf(s), d.written(&s.PublicKey), d.written(&s.KeyName)
	misspelt := d.misspells(d.blocks[s], "public_key") || d.misspells(d.blocks[s], "key_name")
	switch {
	case key && name:
		d.errorAt(d.given[&s.KeyName].attr.NameRange, "Two SSH keys", "The block sets both public_key, which flowbed imports, and key_name, which names an existing key pair. → remove one of them")
	case !key && !name && !misspelt:
		d.errorAt(b.DefRange(), "Missing SSH key", `Nobody can log in over SSH without a key. → add public_key = file("~/.ssh/id_ed25519.pub"), or key_name = "…" with the name of an existing EC2 key pair`)
	}
}

func (d *decoder) checkCIDR(s *SSH) {
	p, err := netip.ParsePrefix(s.CIDR)
	switch addr, notAddr := netip.ParseAddr(s.CIDR); {
	case err != nil && notAddr == nil && addr.Zone() == "" && d.given[&s.CIDR].open:
		d.bad(&s.CIDR, "Invalid CIDR", "%s is an address, not a range. → for this address alone, use %q", netip.PrefixFrom(addr, addr.BitLen()).String())
	case err != nil:
		d.bad(&s.CIDR, "Invalid CIDR", `%s is not an address range. → use, for example, "203.0.113.7/32" or "2001:db8::/64", or "auto" for the address that flowbed runs from`)
	case p.Addr().Is4In6():
		d.bad(&s.CIDR, "Invalid CIDR", "%s is an IPv4 range in IPv6 form, and EC2 does not match that against IPv4 traffic. → write it as IPv4")
	case worldOpen(p) && !s.AllowWorld && !d.undecidedField(&s.AllowWorld):
		d.bad(&s.CIDR, "SSH open to the world", `%s opens port 22 to the whole internet, or to a large part of it. → use "auto" or a smaller range; if you mean it, add allow_world = true`)
	}
}

// worldOpen reports ranges that are most likely a typo: no registry hands out a
// range larger than /8 in IPv4, or /12 in IPv6, for one network.
func worldOpen(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < 8
	}
	return p.Bits() < 12
}

// badKey explains why EC2 does not accept a public key. It is empty for a good key.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-key-pairs.html
func badKey(text string) string {
	const remedy = ` → use the one line of a .pub file, for example file("~/.ssh/id_ed25519.pub")`
	if strings.Contains(text, "PRIVATE KEY") {
		return "This is a private key. It must not leave your machine." + remedy
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	switch {
	case err != nil:
		return "This is not an OpenSSH public key." + remedy
	case len(options) > 0:
		return "There are options before the key, and EC2 does not accept them. → remove them"
	case len(strings.TrimSpace(string(rest))) > 0:
		return "There is more than one key, and EC2 accepts only one." + remedy
	case key.Type() != ssh.KeyAlgoED25519 && key.Type() != ssh.KeyAlgoRSA:
		return fmt.Sprintf("EC2 accepts ed25519 and RSA keys, but this is %s.%s", key.Type(), " → create one: ssh-keygen -t ed25519")
	}
	return ""
}
