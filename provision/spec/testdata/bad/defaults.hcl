# --env prod
defaults "x" { region = "eu-central-1" }
defaults {
  name   = "x"
  region = "nowhere"
  tags   = { team = "data", "aws:x" = "y" }
  bucket { expire_days = "soon" }
  logs { retention_days = 31 }
  prefect { version = "3.9" }
  agent {
    prefect { api_url = "https://prefect.example.com/api" }
    ssh {
      key_name   = "laptop"
      public_key = "x"
    }
  }
}
defaults {}
environment "prod" {
  tags = { "flowbed:x" = "z" }
  logs { retention_days = 33 }
  bucket { expire_days = -1 }
}
