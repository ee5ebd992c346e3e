# --env prod
# --var api_key=pnu_0123456789abcdef
variable "api_key" { sensitive = true }

locals {
  team   = "data"
  prefix = "${local.team}-${env_name}"
}

defaults {
  region = "eu-central-1"
  tags   = { team = local.team, stage = env_name, cost-center = "42" }
  ttl    = "8h"

  task_role {
    policies = ["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]
    statement {
      actions   = ["sqs:SendMessage"]
      resources = ["arn:aws:sqs:${region}:${account}:${local.prefix}"]
    }
  }
  repository { keep_images = 5 }
  prefect {
    api_url   = "https://prefect.example.com/api"
    api_key   = var.api_key
    work_pool = local.prefix
  }
  flows {
    cpu    = 512
    memory = 1024
    env    = { LOG = "1", TEAM = local.team }
  }
  agent {
    instance_type = "t3.small"
    ssh { key_name = "laptop" }
  }
}

environment "prod" {
  account             = "123456789012"
  ttl                 = null
  deletion_protection = true
  tags                = { stage = "production", cost-center = null }

  task_role {
    policies = []
    statement {
      actions   = ["sns:Publish"]
      resources = ["arn:aws:sns:${region}:${account}:${local.prefix}"]
    }
  }
  repository { enabled = false }
  prefect { auth_string = var.api_key == "" ? null : "ada:${var.api_key}" }
  flows {
    env = { LOG = "2", MORE = "x" }
  }
  agent {
    ssh { public_key = file("~/.ssh/id_ed25519.pub") }
  }
}

environment "pr-*" {}
