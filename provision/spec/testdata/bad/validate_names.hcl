# --validate
variable "key" { sensitive = true }
defaults {
  region = "eu-central-1"
  prefect {
    api_url   = "https://prefect.example.com/api"
    api_key   = var.key
    work_pool = "flows"
  }
}
environment "dev" {
  task_role { name = "flows" }
}
environment "prod" {
  task_role { name = "Flows" }
  execution_role { name = "flowbed-dev-task" }
  prefect { api_url = "https://other.example.com/api" }
}
environment "far" {
  region = "us-east-1"
  cluster { name = "farm" }
  prefect { enabled = false }
}
environment "pr-*" {
  cluster { name = "farm" }
  repository { name = "flows-${env_name}" }
}
