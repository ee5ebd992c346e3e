# --var secret=hunter2hunter2
variable "secret" { sensitive = true }

environment "dev" {
  region  = var.secret
  account = var.secret
  tags    = { key = "a-${var.secret}" }
  bucket { name = lower(var.secret) }
  logs { retention_days = tonumber(var.secret) }
  network { subnets = jsondecode(var.secret) }
  cluster { name = file(var.secret) }
  task_role { name = env(var.secret) }
  execution_role { name = { a = "b" }[var.secret] }
}
