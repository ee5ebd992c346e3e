# --env dev
environment "dev" {
  prefct { api_url = "https://prefect.example.com/api" }
  agent {
    ssh {
      publickey = file("~/.ssh/id_ed25519.pub")
    }
  }
  task_role {
    statement {
      action    = ["s3:GetObject"]
      resources = ["*"]
    }
  }
}
environment "prod" {
  agent {
    prefect { api_url = "https://prefect.example.com/api" }
  }
}
