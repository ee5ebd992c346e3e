// Canary asks a real AWS account what only AWS can tell, and prints a report to paste
// into an issue.
//
// Nobody who works on flowbed may have an account at hand, and code that runs against
// an emulator assumes many things. Each assumption is a question here, with the code
// that relies on it. The canary lives the whole life of a small environment with the
// real program, makes a few objects of its own besides, compares each answer with the
// assumed one, and removes everything again. docs/first-account.md is for the person
// who runs it.
//
// An answer is "as assumed" only on evidence that nothing but AWS could give, such as a
// word that a task wrote into its log. Everything else is "differs" or "could not ask".
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// flags are the command line.
type flags struct {
	clean  string
	region string
	within time.Duration
	yes    bool
	beside bool
}

func main() {
	var f flags
	flag.StringVar(&f.clean, "clean", "", "remove what a killed run with this `name` left, and ask nothing")
	flag.StringVar(&f.region, "region", "", "AWS `region`; default: that of the AWS configuration")
	flag.DurationVar(&f.within, "within", 40*time.Minute, "how long to ask questions; cleaning comes after it")
	flag.BoolVar(&f.yes, "yes", false, "do not ask for confirmation")
	flag.BoolVar(&f.beside, "beside", false, "also run in an account that has flowbed environments")
	flag.Parse()
	// The first Ctrl-C ends the questions, and the canary cleans up. The next one ends
	// the cleaning.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	again := func(ctx context.Context) (context.Context, func()) {
		ctx, end := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
		stop() // after the next signal has a place to go
		return ctx, end
	}
	err := start(ctx, again, f, os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "canary:", err)
		os.Exit(1)
	}
}

// afresh returns a context that only a signal ends that came after the call.
type afresh func(context.Context) (context.Context, func())

// start connects with the account and runs the canary.
func start(ctx context.Context, again afresh, f flags, in io.Reader, out, progress io.Writer) (err error) {
	if f.clean != "" && !canaryName.MatchString(f.clean) {
		return fmt.Errorf("--clean %s: want the name of a run, such as canary-x7k2p9", f.clean)
	}
	dir, err := os.MkdirTemp("", "flowbed-canary-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := connect(ctx, f, dir, progress)
	if err != nil {
		return err
	}
	if f.clean != "" {
		return r.finish(r.cleaning(ctx, again), out)
	}
	if err := r.ready(ctx, f); err != nil {
		return err
	}
	if err := confirm(ctx, r, f, in, progress); err != nil {
		return err
	}
	return r.whole(ctx, again, questions(), out)
}

// canaryName is what a run's name looks like. Cleaning deletes by name, so it takes no
// other one.
var canaryName = regexp.MustCompile(`^canary-[a-z0-9]{6}$`)

func newName() string {
	const letters = "abcdefghjkmnpqrstuvwxyz23456789"
	name := []byte("canary-")
	for range 6 {
		name = append(name, letters[rand.IntN(len(letters))])
	}
	return string(name)
}

// connect finds the account and builds the program.
func connect(ctx context.Context, f flags, dir string, progress io.Writer) (*run, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(f.region))
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return nil, errors.New("no AWS region is set → use --region or AWS_REGION")
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, fmt.Errorf("read the caller: %w → log in, or set AWS_PROFILE", err)
	}
	s := settings{Name: f.clean, Region: cfg.Region, Account: aws.ToString(who.Account), Caller: aws.ToString(who.Arn), Within: f.within,
		Prefect: endpoint{os.Getenv("PREFECT_API_URL"), os.Getenv("PREFECT_API_KEY"), os.Getenv("PREFECT_API_AUTH_STRING")}}
	if s.Name == "" {
		s.Name = newName()
	}
	fmt.Fprintf(progress, "building flowbed\n")
	path, err := build(ctx, dir)
	if err != nil {
		return nil, err
	}
	b := binary{path: path, dir: dir, region: s.Region}
	if secret := cmp.Or(s.Prefect.Key, s.Prefect.Auth); secret != "" {
		b.env = append(b.env, "FLOWBED_VAR_prefect_secret="+secret)
	}
	r := newRun(s, cfg, b, progress)
	r.write = func(text string) error { return os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(text), 0o600) }
	r.as = func(c aws.Credentials) aws.Config {
		other := r.cfg.Copy()
		other.Credentials = credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
		return other
	}
	if own, err := cfg.Credentials.Retrieve(ctx); err == nil {
		r.redact.know("secret", own.SecretAccessKey, own.SessionToken)
		r.redact.know("key id", own.AccessKeyID)
	}
	return r, nil
}

// newRun returns a run whose texts and errors are watched.
func newRun(s settings, cfg aws.Config, p program, progress io.Writer) *run {
	r := &run{settings: s, program: p, progress: progress, codes: new(codes), redact: new(redactor)}
	r.cfg = r.codes.watch(cfg)
	r.clients = newClients(r.cfg)
	r.redact.know("account", s.Account)
	r.redact.know("caller", s.Caller)
	r.redact.know("secret", s.Prefect.Key, s.Prefect.Auth)
	r.redact.know("prefect", s.Prefect.URL)
	if _, rest, ok := strings.Cut(s.Prefect.URL, "://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		r.redact.know("prefect", host)
	}
	if home, err := os.UserHomeDir(); err == nil {
		r.redact.know("home", home)
	}
	if host, err := os.Hostname(); err == nil {
		r.redact.know("host", host)
	}
	return r
}

// ready refuses an account in which people work: the canary deletes by name, and this
// is not the place to find out that it has a bug.
func (r *run) ready(ctx context.Context, f flags) error {
	names, err := r.environments(ctx, "--all-regions")
	if err != nil {
		return fmt.Errorf("look for environments in the account: %w", err)
	}
	if len(names) > 0 && !f.beside {
		return fmt.Errorf("this account has %d flowbed environments (%s) → use an account without any, or --beside", len(names), strings.Join(names, ", "))
	}
	return nil
}

// confirm shows what will happen, and where. Only the terminal sees the account.
func confirm(ctx context.Context, r *run, f flags, in io.Reader, terminal io.Writer) error {
	alias := ""
	if out, err := iam.NewFromConfig(r.cfg).ListAccountAliases(ctx, &iam.ListAccountAliasesInput{}); err == nil && len(out.AccountAliases) > 0 {
		alias = " (" + out.AccountAliases[0] + ")"
		r.redact.know("account", out.AccountAliases[0])
	}
	worker := "the questions about the worker are left out: PREFECT_API_URL is not set"
	if r.Prefect.URL != "" {
		worker = "with the Prefect API " + r.Prefect.URL
	}
	fmt.Fprintf(terminal, "\n%s: %d questions to account %s%s in %s,\nasked by %s;\n%s.\nIt takes at most %s, and then some minutes to clean up. It costs:\n\n%s\n",
		r.Name, len(questions()), r.Account, alias, r.Region, r.Caller, worker, f.within, bill(f.within))
	fmt.Fprintf(terminal, "If it is killed: go run ./test/canary --region %s --clean %s\n\n", r.Region, r.Name)
	if f.yes {
		return nil
	}
	fmt.Fprint(terminal, "Only yes starts it: ")
	line, err := bufio.NewReader(in).ReadString('\n')
	if strings.TrimSpace(line) != "yes" {
		return errors.Join(errors.New("not confirmed; nothing was made"), ignoreEOF(err))
	}
	return nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// whole asks, cleans up whatever happened, and reports.
func (r *run) whole(ctx context.Context, again afresh, all []question, out io.Writer) error {
	begun := time.Now()
	results := r.askAll(ctx, all)
	r.machines.watching()
	l := r.cleaning(ctx, again)
	fmt.Fprint(out, r.redact.text(r.report(results, l, begun, version(context.WithoutCancel(ctx)))))
	return r.finish(l, io.Discard)
}

// cleaning cleans up, also after an interrupt. Another interrupt ends it.
func (r *run) cleaning(ctx context.Context, again afresh) leftovers {
	ctx, stop := again(ctx)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, 25*time.Minute, errors.New("cleaning took too long"))
	defer cancel()
	r.say("cleaning up")
	return r.clean(ctx)
}

// finish says what is left, and what to do about it.
func (r *run) finish(l leftovers, out io.Writer) error {
	fmt.Fprint(out, r.redact.text(l.String()))
	if len(l.Left) > 0 || len(l.Blind) > 0 {
		return fmt.Errorf("%d objects are left, and %d kinds could not be looked for → run: go run ./test/canary --region %s --clean %s",
			len(l.Left), len(l.Blind), r.Region, r.Name)
	}
	return nil
}

// version is the commit that is checked out: go run does not record it in the program.
func version(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty").Output()
	if text := strings.TrimSpace(string(out)); err == nil && text != "" {
		return text
	}
	return "of an unknown version"
}
