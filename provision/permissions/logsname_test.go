package permissions_test

import (
	"github.com/flowbed/flowbed/provision/permissions"
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
