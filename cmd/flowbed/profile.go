package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// profileName is the AWS profile in use.
func (a *app) profileName() string {
	return cmp.Or(a.profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), "default")
}

// withProfile adds a profile to a command of the AWS command line.
func withProfile(command, profile string) string {
	if profile == "" || profile == "default" {
		return "`" + command + "`"
	}
	return "`" + command + " --profile " + quoted(profile) + "`"
}

// badProfile explains an error of the configuration.
func (a *app) badProfile(err error) error {
	name := a.profileName()
	if role, ok := errors.AsType[config.SharedConfigAssumeRoleError](err); ok && role.Err == nil {
		return coded{exitDenied, &hinted{fmt.Errorf("AWS profile %q, which is the source_profile of a role, has no credentials", role.Profile),
			"give it credentials: " + withProfile("aws login", role.Profile) + ", " + withProfile("aws configure sso", role.Profile) + ", or " + withProfile("aws configure", role.Profile)}}
	}
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		text := fmt.Errorf("AWS profile %q does not exist", missing.Profile)
		if missing.Profile != name {
			text = fmt.Errorf("AWS profile %q, which AWS profile %q needs as source_profile, does not exist", missing.Profile, name)
		}
		return coded{exitDenied, &hinted{text, "list profiles with `aws configure list-profiles`, or create one with `aws configure sso`"}}
	}
	if _, file := errors.AsType[*fs.PathError](err); file || strings.Contains(err.Error(), "CA bundle") {
		return coded{exitDenied, &hinted{fmt.Errorf("read the CA certificates: %w", err),
			"let AWS_CA_BUNDLE, or ca_bundle of the AWS profile, name a file with PEM certificates"}}
	}
	return coded{exitDenied, &hinted{fmt.Errorf("read the AWS configuration: %w", err), "correct the AWS profile " + name + ", or use another one (--profile, AWS_PROFILE)"}}
}

// innermost is the profile at the end of the chain of source profiles: what is wrong with the
// credentials is most often wrong there.
func innermost(cfg aws.Config) config.SharedConfig {
	shared, ok := sharedConfig(cfg)
	for ok && shared.Source != nil {
		shared = *shared.Source
	}
	return shared
}

func sharedConfig(cfg aws.Config) (config.SharedConfig, bool) {
	for _, source := range cfg.ConfigSources {
		if shared, ok := source.(config.SharedConfig); ok {
			return shared, true
		}
	}
	return config.SharedConfig{}, false
}

// loginAsSource is for a role whose source profile has nothing but a session of `aws login`.
// The AWS command line accepts it; the SDK can use such a profile, but it takes a source
// profile for empty unless it has credentials of another kind. loginAsSource adds such a
// line in another file. The SDK prefers the session. If that changes, AWS's own command gets
// the credentials:
// https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sign-in.html
func loginAsSource(ctx context.Context, err error) (with config.LoadOptionsFunc, remove func(), ok bool) {
	role, is := errors.AsType[config.SharedConfigAssumeRoleError](err)
	if !is || role.Err != nil {
		return nil, nil, false
	}
	files := append([]string{}, config.DefaultSharedConfigFiles...)
	if own := os.Getenv("AWS_CONFIG_FILE"); own != "" {
		files = []string{own}
	}
	source, err := config.LoadSharedConfigProfile(ctx, role.Profile, func(o *config.LoadSharedConfigOptions) { o.ConfigFiles = files })
	if err != nil || source.LoginSession == "" {
		return nil, nil, false
	}
	dir, err := os.MkdirTemp("", "flowbed-")
	if err != nil {
		return nil, nil, false
	}
	remove = func() { _ = os.RemoveAll(dir) }
	section := "profile " + role.Profile
	if role.Profile == "default" {
		section = role.Profile
	}
	file := filepath.Join(dir, "config")
	text := fmt.Sprintf("[%s]\ncredential_process = aws configure export-credentials --profile %s\n", section, quoted(role.Profile))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		remove()
		return nil, nil, false
	}
	return config.WithSharedConfigFiles(append(files, file)), remove, true
}

// lendEndpoint gives the endpoint of all services to those that credentials come from, in
// environment variables, and returns their names. The SDK learns that endpoint only after it
// has created the clients for credentials: they would ask AWS itself.
func lendEndpoint(ctx context.Context, cfg aws.Config) (lent []string) {
	if cfg.BaseEndpoint == nil {
		return nil
	}
	shared, _ := sharedConfig(cfg)
	for _, id := range []string{"STS", "SSO", "SSO OIDC", "Signin"} {
		name := "AWS_ENDPOINT_URL_" + strings.ReplaceAll(strings.ToUpper(id), " ", "_")
		if os.Getenv(name) != "" {
			continue
		}
		// AWS_ENDPOINT_URL takes precedence over `services` in a profile:
		// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
		if _, own, _ := shared.GetServiceBaseEndpoint(ctx, id); own && os.Getenv("AWS_ENDPOINT_URL") == "" {
			continue
		}
		if os.Setenv(name, *cfg.BaseEndpoint) == nil {
			lent = append(lent, name)
		}
	}
	return lent
}

func unset(names []string) {
	for _, n := range names {
		_ = os.Unsetenv(n)
	}
}

// caBundle is the file with CA certificates that AWS's settings name; empty if none does.
func caBundle(cfg aws.Config) string {
	shared, _ := sharedConfig(cfg)
	return cmp.Or(os.Getenv("AWS_CA_BUNDLE"), shared.CustomCABundle)
}

// extraCAFile is that file, or what Python programs use if there is none.
func extraCAFile(cfg aws.Config) string {
	return cmp.Or(caBundle(cfg), os.Getenv("REQUESTS_CA_BUNDLE"))
}

// extraCA are the certificates in it, in PEM.
func extraCA(cfg aws.Config) ([]byte, error) {
	path := extraCAFile(cfg)
	if path == "" {
		return nil, nil
	}
	return os.ReadFile(path)
}

// expandPaths expands ~ and variables in the variables that name AWS's files: the AWS command
// line does, and no shell has if they come from a .env file or from CI.
func expandPaths() error {
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_LOGIN_CACHE_DIRECTORY"} {
		have := os.Getenv(name)
		if want := expand(have); want != have {
			if err := os.Setenv(name, want); err != nil {
				return fmt.Errorf("expand %s: %w", name, err)
			}
		}
	}
	return nil
}

var (
	variable = regexp.MustCompile(`\$(\w+|\{[^}]*\})`)
	tilde    = regexp.MustCompile(`^~([^/\\]*)`)
)

// expand does what botocore does: what it does not know stays.
func expand(path string) string {
	path = variable.ReplaceAllStringFunc(path, func(v string) string {
		if value, ok := os.LookupEnv(strings.Trim(v, "${}")); ok {
			return value
		}
		return v
	})
	return tilde.ReplaceAllStringFunc(path, func(who string) string {
		home, err := os.UserHomeDir()
		if name := who[1:]; name != "" {
			var u *user.User
			if u, err = user.Lookup(name); err == nil {
				home = u.HomeDir
			}
		}
		if err != nil {
			return who
		}
		return strings.TrimRight(home, `/\`)
	})
}
