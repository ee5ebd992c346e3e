package main

import (
	"bytes"
	"context"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
)

// configuredRegion is the region of the AWS configuration, and the setting that it is from.
// It is empty if no setting has one. It calls nobody.
func (a *app) configuredRegion(ctx context.Context) (region, from string, err error) {
	if err := expandPaths(); err != nil {
		return "", "", coded{exitDenied, err}
	}
	cfg, err := loadAWS(ctx, []func(*config.LoadOptions) error{config.WithSharedConfigProfile(a.profile)})
	switch {
	case err != nil && a.profile != "":
		return "", "", a.badProfile(err)
	case err == nil && cfg.Region != "":
		return cfg.Region, a.regionSource(""), nil
	case a.sandbox:
		return sandboxRegion, "", nil
	}
	return "", "", nil // whatever else is wrong with the configuration, init does not need it
}

// prefectURL is PREFECT_API_URL, if an agent in AWS may reach it. It is empty for the API on
// this machine, which Prefect starts by itself, and for a URL that no file should have.
func prefectURL() string {
	text := os.Getenv("PREFECT_API_URL")
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
		return ""
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if strings.EqualFold(u.Hostname(), "localhost") || err == nil && (addr.IsLoopback() || addr.IsUnspecified()) {
		return ""
	}
	return text
}

// ignoreSandbox adds the folder of the sandbox to the .gitignore of a directory, if that is
// inside a Git repository or has such a file. It reports whether it did.
func ignoreSandbox(dir string) (bool, error) {
	path := filepath.Join(dir, ".gitignore")
	have, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return false, err
	}
	above, inside, abroad := gitAbove(dir)
	if abroad != nil {
		return false, abroad
	}
	if os.IsNotExist(err) && !inside || ignores(have, true) || slices.ContainsFunc(above, func(b []byte) bool { return ignores(b, false) }) {
		return false, nil
	}
	end := "\n"
	if bytes.Contains(have, []byte("\r\n")) {
		end = "\r\n"
	}
	if len(have) > 0 && !bytes.HasSuffix(have, []byte("\n")) {
		have = append(have, end...)
	}
	return true, replace(path, append(have, ".flowbed/"+end...))
}

// gitAbove reports whether a directory is inside the work tree of a Git repository, and
// returns the .gitignore files above the directory.
func gitAbove(dir string) (files [][]byte, inside bool, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, false, err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil { // a file, in a linked work tree
			return files, true, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return nil, false, nil
		}
		dir = above
		if b, err := os.ReadFile(filepath.Join(dir, ".gitignore")); err == nil {
			files = append(files, b)
		}
	}
}

// ignores reports whether a .gitignore file has the sandbox's folder. A pattern that starts
// with a slash is for the file's own directory.
func ignores(file []byte, own bool) bool {
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSuffix(strings.TrimSpace(line), "/")
		if own && line == "/.flowbed" || line == ".flowbed" || line == "**/.flowbed" {
			return true
		}
	}
	return false
}
