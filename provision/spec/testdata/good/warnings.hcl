variable "key" { default = "pnu_0123456789abcdef" }

environment "dev" {
  prefect {
    version = "2.20.3"
    api_url = "http://localhost:4200"
    api_key = "pnu_fedcba9876543210"
  }
  agent {
    ssh {
      cidr        = "0.0.0.0/0"
      allow_world = true
      key_name    = "laptop"
    }
  }
}
