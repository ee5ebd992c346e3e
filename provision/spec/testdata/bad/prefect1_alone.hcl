environment "dev" {
  prefect {
    version = "1.4.1"
    api_url = "http://prefect.example.com:4200"
  }
}
