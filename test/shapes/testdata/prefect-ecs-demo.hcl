# A Prefect 2 worker as a service in the public subnets of a network of its own.
variable "prefect_api_key" { sensitive = true }
environment "demo" {
  region = "us-east-1"
  tags   = { Environment = env_name }
  network {
    vpc   = "new"
    cidr  = "10.0.0.0/16"
    zones = 2
    nat   = "none"
  }
  prefect {
    version = "2.20.17"
    api_url = "https://api.prefect.cloud/api/accounts/00000000-0000-0000-0000-000000000000/workspaces/00000000-0000-0000-0000-000000000000"
    api_key = var.prefect_api_key
  }
  agent {
    service {
      desired_count = 1
      cpu           = 1024
      memory        = 2048
      image         = "prefecthq/prefect:2-python3.10"
    }
  }
}
