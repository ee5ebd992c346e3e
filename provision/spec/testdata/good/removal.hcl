# --removal
variable "api_key" { sensitive = true }
variable "team" {}

environment "dev" {
  tags = { team = var.team }
  bucket { force_destroy = env("NOT_SET") }
  task_role {
    policies = [var.team]
    statement {
      actions = [var.team]
    }
  }
  logs { retention_days = 31 }
  network { vpc = jsondecode(var.team) }
  prefect {
    api_key = var.api_key
    version = "next"
  }
  agent {
    image = file("image.txt")
    ssh {
      cidr       = "nowhere"
      public_key = file("~/.ssh/missing.pub")
    }
  }
}
