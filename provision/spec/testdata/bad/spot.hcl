environment "dev" {
  prefect { api_url = "https://prefect.example.com/api" }
  cluster { capacity_providers = ["FARGATE"] }
  flows { spot = true }
}
