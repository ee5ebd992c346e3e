# --validate
variable "api_key" { sensitive = true }
variable "region" {}
locals { broken = upper() }
defaults {
  region = var.region
  logs { retention_days = 31 }
  prefect {
    api_url = "https://prefect.example.com/api"
    api_key = var.api_key
  }
  tags = { key = var.api_key }
}
environment "dev" {
  bucket { expire_days = -1 }
}
environment "pr-*" { ttl = "8x" }
environment "pr-x-*" {}
