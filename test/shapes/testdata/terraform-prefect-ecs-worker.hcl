# The vendor's own module: a Prefect 3 worker as a service in subnets that exist, which learns
# from ECS that a task has died.
variable "prefect_api_key" { sensitive = true }
environment "worker" {
  region = "us-east-1"
  logs { retention_days = 30 }
  network {
    vpc     = "vpc-0a1b2c3d4e5f67890"
    subnets = ["subnet-0a1b2c3d4e5f67890", "subnet-0a1b2c3d4e5f67891"]
  }
  prefect {
    api_url   = "https://api.prefect.cloud/api/accounts/00000000-0000-0000-0000-000000000000/workspaces/00000000-0000-0000-0000-000000000000"
    api_key   = var.prefect_api_key
    work_pool = "ecs"
    events    = true
  }
  agent {
    pip_packages = ["s3fs"]
    role { policies = ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"] }
    service {
      desired_count = 1
      cpu           = 1024
      memory        = 2048
      image         = "prefecthq/prefect:3-python3.11"
    }
  }
}
