environment "dev" {
  prefect {
    version   = "3.9"
    api_url   = "prefect.example.com/api"
    work_pool = "my pool"
  }
  agent {}
}
