environment "dev" {
  region = "us-east-1"
  prefect { api_url = "https://prefect.example.com/api" }
  flows {
    env = { TWICE = "x" }
    secrets = {
      "1X"            = "arn:aws:ssm:us-east-1:123456789012:parameter/a"
      CHINA           = "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a"
      COLONS          = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf:password"
      NAME            = "/team/password"
      NOWHERE         = "arn:aws:ssm:cn-north-1:123456789012:parameter/a"
      PREFECT_API_KEY = "arn:aws:ssm:us-east-1:123456789012:parameter/a"
      PREFECT_API_URL = "arn:aws:ssm:us-east-1:123456789012:parameter/a"
      TAIL            = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db"
      TWICE           = "arn:aws:ssm:us-east-1:123456789012:parameter/a"
      VERSION         = "arn:aws:ssm:us-east-1:123456789012:parameter/a:3"
    }
  }
}
