environment "dev" {
  task_role { s3 = "none" }
  prefect { api_url = "https://prefect.example.com/api" }
  flows { results = true }
}
