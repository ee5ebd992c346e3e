// Command bench measures the flowbed binary against moto, with a delay for each call.
//
// It prints the results next to the targets. It does not fail if a target is missed,
// because machines differ.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/flowbed/flowbed/test/prefecttest"
)

func main() {
	log.SetFlags(0)
	binary := flag.String("binary", "bin/flowbed", "the binary to measure")
	delay := flag.Duration("delay", 50*time.Millisecond, "how long each call takes")
	runs := flag.Int("runs", 3, "how often to measure; the run of median length is shown")
	markdown := flag.String("markdown", "", "also write the tables to this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, *binary, *delay, *runs, *markdown); err != nil {
		stop()
		log.Fatal(err)
	}
}

func bench(ctx context.Context, binary string, delay time.Duration, runs int, markdown string) error {
	dir, err := os.MkdirTemp("", "flowbed-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := &subject{dir: dir}
	if s.binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	// Prefect's API replies at once: the benchmark measures the calls to AWS.
	api := prefecttest.New()
	prefect := httptest.NewServer(api)
	defer prefect.Close()
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), fmt.Appendf(nil, config, prefect.URL), 0o600); err != nil {
		return err
	}
	s.prefect = api
	found, err := s.lives(ctx, delay, runs)
	if err != nil {
		return err
	}
	start, err := s.startUp(ctx)
	if err != nil {
		return err
	}
	info, err := os.Stat(s.binary)
	if err != nil {
		return err
	}
	report := tables(found, delay, start, info.Size())
	fmt.Print(report)
	if markdown == "" {
		return nil
	}
	return os.WriteFile(markdown, []byte(preface(delay, runs)+report+peers(markdown)), 0o644)
}

// peers is the part of the page that `make peers` writes, which stays.
func peers(page string) string {
	text, err := os.ReadFile(filepath.Clean(page))
	if err != nil {
		return "" // there is no page yet
	}
	_, rest, ok := strings.Cut(string(text), "<!-- peers -->\n")
	if !ok {
		return ""
	}
	return "\n<!-- peers -->\n" + rest
}
