environment "dev" {
  task_role {
    statement {}
  }
  prefect {}
  agent {}
}

environment {}
