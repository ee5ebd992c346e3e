# --var key=pnu_0123456789abcdef
variable "key" { sensitive = true }
locals {
  auth   = { user = "ada", password = var.key }
  both   = "${local.auth.user}:${local.auth.password}"
  number = tonumber(local.both)
  plain  = "pnu_fedcba9876543210"
}
environment "dev" {
  tags = { a = local.both, b = local.auth.user }
  logs { retention_days = local.number }
  prefect {
    api_url = "https://prefect.example.com/api"
    api_key = tostring(tonumber(local.plain))
  }
}
