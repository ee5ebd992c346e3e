locals {
  token = "pnu_0123456789abcdef" oops
}
environment "dev" {
  region = "us-east-1" oops
  prefect {
    api_key = local.token
  }
}
