environment "dev" {
  prefect { api_url = "https://prefect.example.com/api" }
  agent {
    ssh { public_key = file("~/.ssh/id_ed25519") }
  }
}
