# The vendor's recipe: a Prefect 1 agent as a service in subnets that exist.
variable "prefect_api_key" { sensitive = true }
environment "prefect" {
  region = "us-east-1"
  tags   = { team = "data" }
  cluster { name = "prefect" }
  logs { name = "prefect" }
  network {
    vpc     = "vpc-0a1b2c3d4e5f67890"
    subnets = ["subnet-0a1b2c3d4e5f67890"]
  }
  prefect {
    version = "1.2.0"
    api_url = "https://api.prefect.io"
    api_key = var.prefect_api_key
  }
  agent {
    labels = ["us-east-1"]
    env    = { PREFECT__CLOUD__AGENT__LEVEL = "INFO" }
    service {
      cpu    = 512
      memory = 1024
    }
  }
}
