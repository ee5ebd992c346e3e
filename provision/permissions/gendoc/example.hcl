# The environment whose permissions docs/permissions.md lists: it has all that
# there can be, under the default names.
variable "auth_string" { sensitive = true }

environment "nameofenv" {
  region  = "eu-central-1"
  account = "123456789012"
  agent {
    ssh { public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtrA6bFuLpRHCEArr5R5S0EJzbf6zp2z9AhbhlNqEIl" }
    prefect {
      api_url     = "https://prefect.example/api"
      auth_string = var.auth_string
    }
  }
}
