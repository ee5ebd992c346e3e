defaults {
  agent {
    instance_type = "t3.small"
    ssh { public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtrA6bFuLpRHCEArr5R5S0EJzbf6zp2z9AhbhlNqEIl" }
  }
}

environment "dev" {
  prefect { api_url = "https://prefect.example.com/api" }
  agent {
    service {
      desired_count = 0
      cpu           = 1024
      memory        = 2048
    }
  }
}
