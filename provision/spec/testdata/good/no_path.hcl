environment "dev" {
  prefect { api_url = "http://10.0.0.7:4200" }
  agent {}
}
