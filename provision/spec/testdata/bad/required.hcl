environment "dev" {
  task_role {
    statement {}
  }
  agent {
    prefect {}
  }
}

environment {}
