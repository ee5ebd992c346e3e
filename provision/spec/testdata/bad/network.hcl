environment "dev" {
  network {
    security_groups = ["sg-0a1b2c3d", "sg-0a1b2c3d", "default", "sg-00000001", "sg-00000002", "sg-00000003"]
  }
  task_role { dask = true }
  prefect { api_url = "https://prefect.example.com/api" }
  agent {
    ssh {
      key_name = "laptop"
      cidr     = "203.0.113.0/24"
    }
  }
}
