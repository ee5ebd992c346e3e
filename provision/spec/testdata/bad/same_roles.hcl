environment "dev" {
  task_role { name = "flows" }
  execution_role { name = "Flows" }
}
