# --env prod
# --var api_key=pnu_0123456789abcdef
# --var subnets=["subnet-0a1b2c3d", "subnet-0a1b2c3e"]
# FLOWBED_VAR_days=90
# STAGE=live
variable "api_key" { sensitive = true }
variable "days" { default = 30 }
variable "subnets" { default = [] }
variable "big" { default = false }

environment "dev" {
  region = var.not_evaluated
}

environment "prod" {
  tags = { stage = env("STAGE"), place = "${region}/${account}/${env_name}" }
  bucket {
    namespace  = "global"
    versioning = false
  }
  task_role {
    statement {
      actions   = ["sqs:SendMessage"]
      resources = ["arn:aws:sqs:${region}:${account}:events"]
    }
    statement {
      actions   = ["sqs:*"]
      resources = [{ "123456789012" = "*" }[account]] # no error while the account is unknown
    }
  }
  execution_role { name = "flows-execution" }
  cluster {
    name               = "flows"
    capacity_providers = ["FARGATE_SPOT"]
  }
  network { subnets = [for s in var.subnets : trimspace(s)] }
  logs { retention_days = var.days }
  prefect {
    api_url = "https://prefect.example.com/api/"
    api_key = var.api_key
  }
  agent {
    instance_type = var.big ? "t3.large" : null
    env           = { PREFECT_LOGGING_LEVEL = "DEBUG", GREETING = "two\nlines", SSL_CERT_FILE = "/etc/ssl/cert.pem", NO_PROXY = "prefect.example.com, .internal" }
    pip_packages  = ["s3fs == 2024.1.0", "pandas[ parquet, aws ] >=2, <3", "prefect-dask", "x===1.0+local", "zope.interface~=6.0", "a!=1.*"]
    pip_index_url = "https://packages.example.com/simple"
    setup         = <<-EOT
      #!/bin/bash
      dnf -y install nfs-utils
    EOT
    proxy         = "http://proxy.example.com:3128/"
    role {
      policies = ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
      statement {
        actions   = ["ssm:GetParameter"]
        resources = ["arn:aws:ssm:${region}:${account}:parameter/wheels"]
      }
    }
    ssh {
      cidr       = "2001:DB8:0::7/64"
      public_key = file("~/.ssh/id_rsa.pub")
    }
  }
}
