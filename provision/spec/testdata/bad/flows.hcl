environment "dev" {
  prefect { api_url = "https://prefect.example.com/api" }
  flows {
    image                 = "not an image"
    cpu                   = 4096
    ephemeral_storage_gib = 20
    cpu_architecture      = "arm"
    env                   = { "1X" = "y", PREFECT_API_KEY = "x", PREFECT_API_URL = "x" }
  }
  agent { work_queues = ["a/b", "x", "x"] }
}
