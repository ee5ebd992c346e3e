# SEC=pnu_0123456789abcdef
variable "v" { default = env("SEC") }
locals {
  number = parseint(env("SEC"), 10)
  plain  = var.v
}
environment "dev" {
  bucket { expire_days = tonumber(local.plain) }
  logs { retention_days = local.number }
  task_role { dask = tobool(env("SEC")) }
}
