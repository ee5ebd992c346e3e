environment "dev" {
  agent {
    ssh {
      publickey = file("~/.ssh/id_ed25519.pub")
    }
    prefct {
      api_url = "https://prefect.example.com/api"
    }
  }
  task_role {
    statement {
      action    = ["sqs:SendMessage"]
      resources = ["*"]
    }
  }
}
