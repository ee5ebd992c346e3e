package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/rogpeppe/go-internal/testscript"
)

// network gives the scripts what companies and hotels put between a machine and AWS:
//
//   - $PROXY opens TLS with certificates of its own CA (company.pem), and answers for all hosts
//   - $LOCKED is a proxy that wants a password
//   - $PORTAL answers everything with a page to sign in
//   - $CLOSED refuses connections
func network(e *testscript.Env) error {
	ca, err := newCompany()
	if err != nil {
		return err
	}
	proxy := httptest.NewServer(http.HandlerFunc(ca.tunnel))
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<!DOCTYPE html><title>Hotel Wi-Fi</title>")
	}))
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	e.Defer(func() { proxy.Close(); locked.Close(); portal.Close() })
	e.Vars = append(e.Vars, "PROXY="+proxy.URL, "LOCKED="+strings.TrimPrefix(locked.URL, "http://"), "PORTAL="+portal.URL, "CLOSED="+closed.URL)
	return os.WriteFile(filepath.Join(e.WorkDir, "company.pem"), ca.pem, 0o600)
}

// company is a company's CA with its proxy.
type company struct {
	key  *ecdsa.PrivateKey
	root *x509.Certificate
	pem  []byte
}

func newCompany() (*company, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Company"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &company{key, root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, nil
}

func (c *company) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{hello.ServerName},
		NotBefore: c.root.NotBefore, NotAfter: c.root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, c.root, &c.key.PublicKey, c.key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: c.key}, err
}

// tunnel answers a CONNECT, and then what comes through it.
func (c *company) tunnel(w http.ResponseWriter, r *http.Request) {
	raw, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = raw.Close() }()
	if _, err := io.WriteString(raw, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	inside := tls.Server(raw, &tls.Config{GetCertificate: c.certificate, MinVersion: tls.VersionTLS12})
	host, _, _ := net.SplitHostPort(r.Host)
	for from := bufio.NewReader(inside); ; {
		q, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		reply := httptest.NewRecorder()
		switch host {
		case "checkip.amazonaws.com":
			_, _ = io.WriteString(reply, "198.51.100.7\n")
		case "prefect.example.com":
			reply.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(reply, `{"detail": "Work pool not found."}`)
		default:
			q.URL.Path = "/caller/AccessDenied"
			refuse(reply, q)
		}
		answer := reply.Result()
		answer.ContentLength, answer.Request = int64(reply.Body.Len()), q
		if answer.Write(inside) != nil {
			return
		}
	}
}

// TestCheckRegion: what a region can be from a CI variable.
func TestCheckRegion(t *testing.T) {
	t.Setenv("AWS_REGION", "from here")
	for region, want := range map[string]string{
		"us-east-1": "", "eu-central-1": "", "us-gov-west-1": "", "us-iso-east-1": "", "mars": "",
		"us-east-1 ":       `the AWS region "us-east-1 " in AWS_REGION has a space or a line break around it`,
		"us-east-1\n":      `the AWS region "us-east-1\n" in AWS_REGION has a space or a line break around it`,
		" us-east-1":       `has a space`,
		"us-east-1a":       `"us-east-1a" in AWS_REGION is an availability zone, not an AWS region`,
		"us east 1":        `"us east 1" in AWS_REGION is not an AWS region`,
		"x.example.com/?y": `is not an AWS region`,
		" ":                "no AWS region is set",
	} {
		err := (&app{}).checkRegion("", region)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || exitCode(err) != exitUsage || (&app{}).hint(err) == "") {
			t.Errorf("%q: have %v", region, err)
		}
	}
	a := &app{region: "us-east-1a", config: "config.hcl"}
	if err := a.checkRegion("us-east-1a", "us-east-1a"); !strings.Contains(err.Error(), "in --region is") {
		t.Error(err)
	}
}

// source gets credentials as a test says.
type source func() (aws.Credentials, error)

func (s source) Retrieve(context.Context) (aws.Credentials, error) { return s() }

// TestOneCode: many calls begin at the same time, and all of them get what the first question
// led to. After that, a session that ends does not ask in the middle of a run.
func TestOneCode(t *testing.T) {
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	m, asked := &mfa{app: &app{in: in}, profile: "work"}, 0
	e := &explained{asks: m, CredentialsProvider: source(func() (aws.Credentials, error) {
		asked++
		_, err := m.ask()
		return aws.Credentials{}, err
	})}
	errs := make([]error, 5)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = e.Retrieve(t.Context()) })
	}
	wg.Wait()
	for _, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "there is no terminal") || exitCode(err) != exitDenied || asked != 1 {
			t.Errorf("asked %d times: %v", asked, err)
		}
	}
	e.failed = nil
	e.had.Store(true) // as after a code
	if _, err := e.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("later: %v", err)
	}
}
