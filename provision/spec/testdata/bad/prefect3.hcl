# AUTH=flow:secret-of-flows
# KEY=pnu_0123456789abcdef
environment "dev" {
  prefect {
    version           = "3.4.6"
    api_url           = "https://prefect.example.com/api"
    auth_string       = env("AUTH")
    api_key           = env("KEY")
    ca_file           = "ca.pem"
    concurrency_limit = 0
  }
  agent {
    instance_type = "t3.nano"
    image         = "al2"
  }
}
