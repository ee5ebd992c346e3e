environment "dev" {
  prefect { api_url = "https://prefect.example.com/api" }
  agent {
    role {
      policies = ["AmazonS3ReadOnlyAccess", "arn:aws:iam::aws:policy/AmazonSQSFullAccess", "arn:aws:iam::aws:policy/AmazonSQSFullAccess"]
      s3       = "full"
      statement {
        actions   = ["read everything"]
        resources = []
      }
      statement {}
    }
    role {}
  }
}
