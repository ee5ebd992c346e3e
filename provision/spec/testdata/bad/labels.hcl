environment "dev" {
  agent {
    prefect {
      api_url = "https://prefect.example.com/api"
      labels  = ["fargate-dev"]
    }
  }
}
