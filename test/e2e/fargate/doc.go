// Package fargate plays ECS on Fargate for tests: the tasks that moto records really run.
//
// A [Player] takes a task's definition out of moto and does what Fargate does with it. As the
// execution role, it reads the secrets and opens the log; then it runs the container's command
// with its environment, and the overrides of RunTask, as a process tree in its own namespaces.
// The image is a virtual environment. The container has the endpoints for metadata and for the
// credentials of the task role, and what it prints goes to CloudWatch Logs. When the state of
// a task changes, the player tells EventBridge, and shows it in the answers about tasks.
//
// It needs Linux, and root for tasks that run.
package fargate
