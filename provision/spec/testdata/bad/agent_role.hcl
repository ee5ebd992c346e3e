environment "dev" {
  task_role { name = "flowbed-dev-agent" }
}
