# --var token=hunter2
variable "token" { sensitive = true }

environment "dev" {
  prefect { api_url = "https://prefect.example.com/api" }
  agent {
    setup = "curl -H 'Authorization: ${var.token}' https://example.com"

    env = { TOKEN = var.token, PREFECT_LOGGING_LEVEL = "DEBUG" }
  }
}
