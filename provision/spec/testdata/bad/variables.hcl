# --var apikey=hunter2hunter2
# --var days=many
# FLOWBED_VAR_subnets=subnet-0a1b2c3d
variable "api_key" { sensitive = true }
variable "days" { default = 30 }
variable "subnets" { default = ["subnet-0a1b2c3d"] }
variable "fallback" { default = var.days }
variable "from_env" { default = env("NOT_SET") }
variable "my-var" {}
variable "odd" {
  sensitive = "maybe"
  type      = string
}

environment "dev" {
  region = var.reigon
  bucket { expire_days = var.days }
  prefect {
    api_url = "https://prefect.example.com/api"
    api_key = var.api_key
  }
  agent {}
}
