variable "api_key" { sensitive = true }

environment "dev" {
  prefect {
    api_url      = "https://prefect.example.com/api"
    api_key_from = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prefect"
    auth_string_from = "/team/prefect"
  }
}
