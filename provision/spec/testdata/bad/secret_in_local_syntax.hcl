variable "creds" {
  sensitive = true
  default = {
    a = "pnu_0123456789abcdef" b = 2
  }
}
