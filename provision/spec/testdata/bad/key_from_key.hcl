environment "dev" {
  prefect {
    api_url      = "https://prefect.example.com/api"
    api_key_from = "pnu_0123456789abcdef"
  }
}
