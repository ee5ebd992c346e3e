defaults {
  agent {
    service { desired_count = 3 }
  }
}

environment "dev" {
  prefect { api_url = "https://prefect.example.com/api" }
  agent { instance_type = "t3.small" }
}
