environment "dev" {
  prefect {
    api_url = "https://prefect.example.com/api"
    ca_file = file("~/.ssh/ca.pem")
  }
  agent {
    env = {
      "1X"                            = "y"
      prefect_api_url                 = "https://elsewhere.example.com/api"
      PREFECT_API_KEY                 = "pnu_0123456789"
      PREFECT_HOME                    = "/tmp"
      PREFECT_WORKER_WEBSERVER_HOST   = "0.0.0.0"
      PREFECT_API_SSL_CERT_FILE       = "/etc/ca.pem"
      AWS_REGION                      = "us-east-1"
      AWS_MAX_ATTEMPTS                = "1"
      AWS_SECRET_ACCESS_KEY           = "wJalrXUtnFEMI"
      FLOWBED_NAME                    = "x"
      SSL_CERT_FILE                   = "/etc/ca.pem"
      BELL                            = "\u0007"
      PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME = "theirs"
      PREFECT_LOGGING_LEVEL           = "DEBUG"
    }
  }
}
