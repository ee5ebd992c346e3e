environment "dev" {
  prefect {
    api_url          = "https://prefect.example.com/api"
    auth_string_from = "ada:correct-horse"
  }
}
