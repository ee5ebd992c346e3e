environment "dev" {
  prefect {
    version = "1.4.1"
    api_url = "http://prefect.example.com:4200"
  }
  flows { cpu = 256 }
  agent { work_queues = ["x"] }
}
