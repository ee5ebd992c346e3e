environment "dev" {
  tags = ["a", "b"]
  bucket {
    versioning  = "sometimes"
    expire_days = 1.5
    name        = ["a"]
  }
  task_role {
    policies = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
    statement {
      actions   = { send = "sqs:SendMessage" }
      resources = [["*"]]
    }
  }
  cluster {
    capacity_providers = ["FARGATE", null]
    container_insights = 1
  }
  logs { retention_days = "a month" }
  network { subnets = true }
}
