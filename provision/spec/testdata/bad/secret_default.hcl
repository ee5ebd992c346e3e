variable "token" {
  sensitive = true
  default   = jsondecode("pnu_0123456789abcdef")
}
variable "second" {
  sensitive = true
  default   = "${upper("pnu_abcdef0123456789")}-${nothing}"
}
environment "dev" {
  region = "pnu_0123456789abcdef"
  prefect {
    api_url = "https://prefect.example.com/api"
    api_key = format("%d", "pnu_0123456789abcdef")
  }
  agent {}
}
