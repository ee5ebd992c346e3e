defaults {
  agent { instance_type = "t3.small" }
}

environment "dev" {
  cluster { capacity_providers = ["FARGATE"] }
  prefect { api_url = "https://prefect.example.com/api" }
  agent {
    image      = "al2023"
    volume_gib = 20
    setup      = "dnf -y install nfs-utils"
    ssh { public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtrA6bFuLpRHCEArr5R5S0EJzbf6zp2z9AhbhlNqEIl" }
    service {
      desired_count = 101
      cpu           = 512
      memory        = 512
      image         = "no image"
      spot          = true
      stop_timeout  = 1
    }
  }
}
