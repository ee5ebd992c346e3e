locals {
  a = "pnu_0123456789"
}
environment "dev" {
  prefect {
    api_url   = "https://prefect.example.com/api"
    api_key   = "${local.a}abcdef"
    work_pool = "x ${local.a}"
  }
}
