# --env a
environment "a" {
  prefect { api_url = "https://prefect.example.com/api" }
  agent {
    ssh {
      cidr       = "0.0.0.0/0"
      public_key = "ssh-ed25519 AAAA"
      key_name   = "laptop"
    }
  }
}
