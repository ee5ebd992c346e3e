# The config file that `make demo` uses in the sandbox.

variable "api_key" { sensitive = true }

environment "demo" {
  region = "us-east-1"
  tags   = { team = "data" }

  task_role {
    statement {
      actions   = ["sqs:SendMessage"]
      resources = ["arn:aws:sqs:us-east-1:${account}:events"]
    }
  }

  prefect {
    api_url = "https://api.prefect.cloud/api/accounts/00000000-0000-0000-0000-000000000000/workspaces/11111111-1111-1111-1111-111111111111"
    api_key = var.api_key
  }
  agent {}
}
