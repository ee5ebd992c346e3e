# --var api_key=pnu_0123456789abcdef
variable "api_key" { sensitive = true }

defaults {
  prefect {
    api_url = "https://prefect.example.com/api"
    api_key = var.api_key
  }
}

environment "dev" {
  prefect {
    api_key_from = "arn:aws:secretsmanager:${region}:${account}:secret:prefect-AbCdEf:key::"
  }
}
