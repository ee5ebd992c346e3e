# --var auth=flow:secret-of-flows
variable "auth" { sensitive = true }

environment "dev" {
  prefect {
    api_url           = "https://prefect.example.com/api"
    auth_string       = var.auth
    ca_file           = "subject=CN = Example CA\n${file("~/.ssh/ca.pem")}"
    concurrency_limit = 10
  }
  agent {}
}
