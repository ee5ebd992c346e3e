// Package prefect calls Prefect's API and knows what each Prefect version needs. It
// has a client for work pools, workers and agents, the job template of an ECS work
// pool, and a table of package versions that work together.
//
// It does not depend on AWS or on the engine.
package prefect
