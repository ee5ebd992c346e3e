environment "dev" {
  region = "us-east-1"
  prefect {
    api_url      = "https://prefect.example.com/api"
    api_key_from = "arn:aws:ssm:us-east-1:123456789012:parameter/flowbed/dev/prefect-api-key"
  }
}
