environment "dev" {
  task_role {
    policies = [
      "AmazonSQSFullAccess",
      "arn:aws:iam::aws:policy/AmazonSQSFullAccess",
      "arn:aws:iam::aws:policy/AmazonSQSFullAccess",
    ]
    statement {
      actions   = []
      resources = ["events"]
    }
    statement {
      actions   = ["sqs.SendMessage"]
      resources = []
    }
  }
  cluster {
    capacity_providers = ["FARGATE", "FARGATE", "FARGATE_SPOTS"]
  }
  logs { retention_days = 31 }
}
