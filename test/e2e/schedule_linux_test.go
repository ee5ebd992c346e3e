package e2e

import (
	"testing"

	"github.com/flowbed/flowbed/test/e2e/fargate"
	"github.com/flowbed/flowbed/test/e2e/moto"
)

// schedule lets the service scheduler look after the account's services. There are no images, so
// no task of theirs comes to run.
func schedule(t *testing.T, f *moto.Front) {
	t.Helper()
	p, err := fargate.Start(t.Context(), fargate.Config{Front: f, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Stop()
		for _, err := range p.Faults() {
			t.Error(err)
		}
	})
}
