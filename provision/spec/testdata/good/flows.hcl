defaults {
  flows {
    secrets = { LEFT_OUT = "arn:aws:ssm:us-east-1:123456789012:parameter/a", PASSWORD = "arn:aws:ssm:us-east-1:123456789012:parameter/a" }
  }
}

environment "dev" {
  prefect { api_url = "https://prefect.example.com/api" }
  flows {
    env = { TEAM = "data" }
    results = true
    secrets = {
      LEFT_OUT = null
      PASSWORD = "arn:aws:secretsmanager:${region}:${account}:secret:team/db-AbCdEf:password::"
      OLD      = "arn:aws:secretsmanager:eu-west-1:210987654321:secret:team/db-AbCdEf::AWSPREVIOUS:"
      TOKEN    = "arn:aws:ssm:${region}:${account}:parameter/team/token"
    }
  }
}
