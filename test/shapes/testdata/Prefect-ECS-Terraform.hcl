# A Prefect 2 worker as a service in three private subnets of a network of its own.
variable "prefect_api_key" { sensitive = true }
environment "dev" {
  region = "us-east-1"
  tags   = { Name = "prefect-ecs" }
  cluster { name = "prefect-cluster" }
  logs { name = "/ecs/prefect-worker" }
  execution_role { name = "prefect-task-execution-role" }
  network {
    vpc   = "new"
    cidr  = "10.0.0.0/16"
    zones = 3
    nat   = "single"
  }
  prefect {
    version   = "2.20.17"
    api_url   = "https://api.prefect.cloud/api/accounts/00000000-0000-0000-0000-000000000000/workspaces/00000000-0000-0000-0000-000000000000"
    api_key   = var.prefect_api_key
    work_pool = "ecs-work-pool"
  }
  agent {
    service {
      cpu    = 512
      memory = 1024
      image  = "prefecthq/prefect:2-latest"
    }
  }
}
