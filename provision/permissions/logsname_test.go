package permissions_test

import (
	"errors"
	"time"

	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/sandbox"
)

const inOwnLogs = "logs { name = \"/data/flows\" }\nprefect { api_url = \"https://prefect.example.com/api\" }"

// A log group of another name takes the place of the default one under the policy of the new file.
func renamingLogs(w *world) {
	w.must(permissions.Up, "", quiet)
	w.must(permissions.Plan, inOwnLogs, quiet)
	w.must(permissions.Up, inOwnLogs, quiet)
	w.must(permissions.Plan, inOwnLogs, quiet)
	w.must(permissions.Down, inOwnLogs, quiet)
}

// A log group whose name a run has recorded, and which it could not create, is no obstacle when the
// file has the old name again; nor is one that the index still shows.
func missingLogs(w *world) {
	w.must(permissions.Up, "", quiet)
	w.account.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.Operation == "CreateLogGroup" {
			return sandbox.Fault{Refuse: errors.New("no log group today")}
		}
		return sandbox.Fault{}
	}
	if w.run(permissions.Up, inOwnLogs, quiet) == nil {
		w.Error("up succeeded without a log group")
	}
	w.account.Fault, w.account.TagLag = nil, time.Hour
	w.must(permissions.Up, "", quiet)
	w.must(permissions.Up, inOwnLogs, quiet)
	time.Sleep(2 * time.Hour)
	w.must(permissions.Down, inOwnLogs, quiet)
	w.must(permissions.Up, "", quiet)
	w.must(permissions.Down, "", quiet)
}
