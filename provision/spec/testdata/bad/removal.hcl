# --removal
variable "name" {}

environment "dev" {
  region = env("NOT_SET")
  bucket { name = var.name }
  cluster { name = file("cluster.txt") }
  task_role { name = "a role" }
  logs { retention_days = 31 }
}
