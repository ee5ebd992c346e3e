variable "on" {}
environment "dev" {
  repository { enabled = var.on }
  logs { retention_days = var.on ? 1 : 3 }
}
