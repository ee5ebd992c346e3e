variable "token" {
  sensitive = true
  default   = "pnu_0123456789abcdef" 7
}
environment "dev" {
  prefect {
    api_key = pnu_0123456789abcdef"
  }
  agent {}
}
