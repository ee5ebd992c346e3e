package resource

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/conn"
)

// PublicIP is the environment variable with the caller's public address or CIDR range.
// If it is set, flowbed does not ask a server for the address.
const PublicIP = "FLOWBED_PUBLIC_IP"

// Address finds the public IP address of the machine on which flowbed runs, as a range
// that contains only this address. A user with several public addresses should set
// PublicIP.
type Address struct {
	URL       string            // of a server that returns the caller's address; empty means AWS's
	Transport http.RoundTripper // nil means one with the default settings
}

const (
	checkIP        = "https://checkip.amazonaws.com/"
	addressTimeout = 5 * time.Second
)

// Read implements provision.DataSource.
func (a Address) Read(ctx context.Context) (netip.Prefix, error) {
	if v := os.Getenv(PublicIP); v != "" {
		p, err := parseAddress(v)
		if err != nil {
			return p, fmt.Errorf("%s: %w", PublicIP, err)
		}
		return p, nil
	}
	text, err := a.ask(ctx)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("look up the public IP address of this machine: %w → set %s, or ssh.cidr in the config file", err, PublicIP)
	}
	p, err := parseAddress(text)
	if err != nil || p.Addr().IsPrivate() || !p.Addr().IsGlobalUnicast() {
		return netip.Prefix{}, fmt.Errorf("look up the public IP address of this machine: %s returned %q → set %s, or ssh.cidr in the config file", a.url(), text, PublicIP)
	}
	return p, nil
}

func (a Address) url() string {
	if a.URL != "" {
		return a.URL
	}
	return checkIP
}

// ask requires HTTPS and follows no redirects: anybody who can forge the answer decides
// who can reach port 22.
func (a Address) ask(ctx context.Context) (string, error) {
	if !strings.HasPrefix(a.url(), "https://") {
		return "", fmt.Errorf("%s is not HTTPS", a.url())
	}
	c := &http.Client{Transport: a.Transport, Timeout: addressTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if a.Transport == nil {
		t, err := conn.New(conn.Options{})
		if err != nil {
			return "", err
		}
		c.Transport = t
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url(), nil)
	if err != nil {
		return "", err
	}
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }() // reading cannot lose data
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", a.url(), res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 64))
	return strings.TrimSpace(string(b)), err
}

// parseAddress parses an address or a CIDR range, and clears the host bits.
func parseAddress(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		return p.Masked(), err
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	ip = ip.Unmap().WithZone("")
	return netip.PrefixFrom(ip, ip.BitLen()), nil
}

// Permissions are none: the server needs no credentials.
func (Address) Permissions() Permissions { return Permissions{} }
