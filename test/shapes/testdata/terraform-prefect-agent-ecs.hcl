# A Prefect 2 worker as a service in a network of its own, with a bucket, a repository, a key of
# the company's, and nothing but HTTPS out of its group.
variable "prefect_api_key" { sensitive = true }
environment "perfect" {
  region  = "eu-west-2"
  kms_key = "arn:aws:kms:eu-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
  bucket {
    name      = "perfect-staging-data-lake"
    namespace = "global"
  }
  repository { name = "perfect-staging-ecr" }
  cluster {
    name               = "perfect"
    capacity_providers = ["FARGATE"]
  }
  execution_role { name = "prefect-agent-execution-role-perfect-ecs" }
  logs {
    name           = "prefect-agent"
    retention_days = 30
  }
  network {
    vpc   = "new"
    cidr  = "10.0.0.0/16"
    zones = 2
    nat   = "single"
    egress { ports = [443] }
  }
  prefect {
    version = "2.20.17"
    api_url = "https://api.prefect.cloud/api/accounts/00000000-0000-0000-0000-000000000000/workspaces/00000000-0000-0000-0000-000000000000"
    api_key = var.prefect_api_key
  }
  agent {
    work_queues  = ["default"]
    pip_packages = ["s3fs"]
    service {
      desired_count = 1
      cpu           = 1024
      memory        = 2048
      image         = "prefecthq/prefect:2-python3.10"
    }
  }
}
