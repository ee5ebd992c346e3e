// Package prefect talks to Prefect's API, and knows what its versions need: a
// client for the few calls about work pools and workers, the job template of an
// ECS work pool, and which packages belong together.
//
// It knows nothing of AWS and nothing of the engine.
package prefect
