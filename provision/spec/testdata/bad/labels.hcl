environment "dev" {
  prefect {
    api_url = "https://prefect.example.com/api"
  }
  agent {
    labels = ["fargate-dev"]
  }
}
