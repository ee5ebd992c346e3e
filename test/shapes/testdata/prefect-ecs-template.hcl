# A Prefect 2 worker as a service in private subnets behind one fixed address, with its key in
# a parameter that exists.
environment "dataflowops" {
  region = "us-east-1"
  cluster { name = "prefect2" }
  logs {
    name           = "ecs/prefect/dataflowops"
    retention_days = 7
  }
  network {
    vpc   = "new"
    cidr  = "10.0.0.0/16"
    zones = 2
    nat   = "single"
  }
  execution_role { name = "dataflowops_ecs_execution_role" }
  task_role {
    name = "dataflowops_ecs_task_role"
    s3   = "full"
    statement {
      actions   = ["ecs:RegisterTaskDefinition", "ecs:DeregisterTaskDefinition", "ecs:DescribeTasks", "ecs:RunTask", "logs:GetLogEvents", "ec2:DescribeSubnets", "ec2:DescribeVpcs"]
      resources = ["*"]
    }
  }
  prefect {
    version      = "2.20.17"
    api_url      = "https://api.prefect.cloud/api/accounts/00000000-0000-0000-0000-000000000000/workspaces/00000000-0000-0000-0000-000000000000"
    api_key_from = "PREFECT_API_KEY"
  }
  agent {
    work_queues = ["dataflowops"]
    env         = { PREFECT_LOGGING_LEVEL = "INFO" }
    service {
      cpu          = 512
      memory       = 1024
      image        = "prefecthq/prefect:2-python3.9"
      stop_timeout = 120
    }
  }
}
