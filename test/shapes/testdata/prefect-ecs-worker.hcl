# A Prefect 2 worker as a service in three private subnets of a network of its own, with its key
# in a secret that exists, and Container Insights.
environment "prefect" {
  region = "us-east-1"
  tags   = { Name = "prefect-ecs" }
  cluster {
    name               = "prefect-cluster"
    container_insights = true
  }
  logs { name = "/ecs/prefect-worker" }
  execution_role { name = "prefect-task-execution-role" }
  network {
    vpc   = "new"
    cidr  = "10.0.0.0/16"
    zones = 3
    nat   = "single"
  }
  prefect {
    version      = "2.20.17"
    api_url      = "https://api.prefect.cloud/api/accounts/00000000-0000-0000-0000-000000000000/workspaces/00000000-0000-0000-0000-000000000000"
    api_key_from = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prefect-api-key-AbCdEf"
    work_pool    = "ecs-work-pool"
  }
  agent {
    service {
      desired_count = 1
      cpu           = 512
      memory        = 1024
      image         = "prefecthq/prefect:2-latest"
    }
  }
}
