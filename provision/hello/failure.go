package hello

// Failure says why a flow did not complete.
type Failure struct {
	What    string // the cause
	By      string // who said so
	Quote   string // in their words
	Todo    string // what the user can do
	Section string // of docs/troubleshooting.md: the anchor of its heading
}

// The sections of docs/troubleshooting.md.
const (
	sectionNetwork    = "1-the-network-is-not-the-one-you-set"
	sectionPending    = "2-a-run-stays-pending-or-submitted"
	sectionPermission = "3-a-permission-is-missing"
	sectionThrottled  = "4-task-definitions-pile-up-or-ecs-throttles"
	sectionKey        = "5-the-key-is-somewhere-in-plain-text"
	sectionMemory     = "6-the-agent-or-a-flow-runs-out-of-memory"
	sectionLogGroup   = "8-the-log-group-is-missing"
	sectionPool       = "10-settings-of-the-work-pool-have-no-effect"
	sectionImage      = "11-the-image-cannot-be-pulled-or-lacks-something"
	sectionWrongKey   = "12-the-key-is-wrong-and-the-agent-seems-fine"
	sectionCapacity   = "18-there-is-no-capacity"
	sectionCA         = "a-private-ca"
)

// page is where people read docs/troubleshooting.md.
const page = "https://github.com/flowbed/flowbed/blob/main/docs/troubleshooting.md"

func (e *Failure) Error() string {
	if e.Quote == "" {
		return "the flow did not complete: " + e.What
	}
	return "the flow did not complete: " + e.What + "; " + e.By + ": " + e.Quote
}

// Hint is what the user can do.
func (e *Failure) Hint() string { return e.Todo + "; see " + page + "#" + e.Section }

// Leftover says that the flow completed, but that something it made is left.
type Leftover struct {
	err   error
	flags string
}

func (e *Leftover) Error() string {
	text := "the flow completed, but what it made could not be removed"
	if e.err == nil {
		return text
	}
	return text + ": " + e.err.Error()
}
func (e *Leftover) Unwrap() error { return e.err }

// Hint is what the user can do.
func (e *Leftover) Hint() string { return "run `flowbed hello --clean" + e.flags + "`" }
