# KEY=pnu_0123456789abcdef
environment "dev" {
  prefect {
    version           = "1.4.1"
    api_url           = "http://prefect.example.com:4200/api"
    auth_string       = "flow:secret-of-flows"
    api_key           = env("KEY")
    work_pool         = "flows"
    concurrency_limit = 3
  }
  agent {
    labels = ["fargate-dev", "s3-flow-storage", "fargate-dev"]
  }
}
