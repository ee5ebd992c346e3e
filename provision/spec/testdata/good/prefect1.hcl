# KEY=pnu_0123456789abcdef
environment "dev" {
  task_role { dask = true }
  prefect {
    version = "1.4.1"
    api_url = "http://prefect.example.com:4200"
    api_key = env("KEY")
  }
  agent {
    instance_type = "t3.nano"
    labels = ["fargate-dev", "s3-flow-storage"]
  }
}
