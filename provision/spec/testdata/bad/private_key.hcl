environment "dev" {
  agent {
    ssh { public_key = file("~/.ssh/id_ed25519") }
    prefect { api_url = "https://prefect.example.com/api" }
  }
}
