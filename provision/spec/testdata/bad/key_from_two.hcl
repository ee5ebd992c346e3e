# --var api_key=pnu_0123456789abcdef
variable "api_key" { sensitive = true }

environment "dev" {
  prefect {
    api_url      = "https://prefect.example.com/api"
    api_key      = var.api_key
    api_key_from = "/team/prefect"
  }
}
