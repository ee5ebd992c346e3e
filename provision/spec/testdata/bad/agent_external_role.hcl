defaults {
  prefect { api_url = "https://prefect.example.com/api" }
}
environment "dev" {
  agent {
    role {
      name             = "data/agent"
      instance_profile = "flowbed-dev-agent"
      ownership        = "borrow"
    }
  }
}
