//go:build linux

package e2e

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/e2e/prefectserver"
	"github.com/flowbed/flowbed/test/e2e/venv"
)

// TestResultBlock makes, changes and deletes the block for results on a real server, and loads
// it with prefect-aws, which must bear flowbed's mark in it.
func TestResultBlock(t *testing.T) {
	able.Slow(t)
	server := prefectServer(t, prefectserver.Options{})
	api, err := prefect.New(prefect.Config{URL: server.API})
	if err != nil {
		t.Fatal(err)
	}
	const name = "flowbed-dev"
	mark := prefect.Mark{Environment: "dev", Region: "eu-central-1", Account: "123456789012"}
	if _, err := api.ReadBlock(t.Context(), name); !errors.Is(err, prefect.ErrNotFound) {
		t.Errorf("before it is there: %v", err)
	}
	if err := api.CreateBlock(t.Context(), name, prefect.BlockData(mark, "one", "results")); err != nil {
		t.Fatal(err)
	}
	if err := api.CreateBlock(t.Context(), name, prefect.BlockData(mark, "one", "results")); !errors.Is(err, prefect.ErrConflict) {
		t.Errorf("the second one: %v", err)
	}
	b, err := api.ReadBlock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if have, ok := b.Mark(); have != mark || !ok {
		t.Errorf("the mark is %v", have)
	}
	if err := api.EditBlock(t.Context(), b.ID, map[string]any{"bucket_name": "two"}); err != nil {
		t.Fatal(err)
	}
	dir, err := venv.Prefect()
	if err != nil {
		t.Fatal(err)
	}
	load := exec.CommandContext(t.Context(), filepath.Join(dir, "bin", "python"), "-c",
		"from prefect.blocks.core import Block; b = Block.load('s3-bucket/"+name+"'); print(b.bucket_name, b.bucket_folder)")
	load.Env = []string{"PREFECT_API_URL=" + server.API, "HOME=" + t.TempDir()}
	if out, err := load.Output(); err != nil || strings.TrimSpace(string(out)) != "two results" {
		t.Errorf("prefect-aws loads %q, %v", out, err)
	}
	for range 2 {
		if err := api.DeleteBlock(t.Context(), b.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := api.ReadBlock(t.Context(), name); !errors.Is(err, prefect.ErrNotFound) {
		t.Errorf("after the deletion: %v", err)
	}
}
