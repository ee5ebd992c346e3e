# A Prefect 1 agent on an instance, in a network of its own or in one that exists, with its key
# in Secrets Manager and a role of somebody else.
defaults {
  region = "us-east-1"
  tags   = { team = "data" }
  prefect {
    version      = "1.4.1"
    api_url      = "https://api.prefect.example.com"
    api_key_from = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prefect-api-key-AbCdEf:key::"
  }
  agent {
    instance_type = "t3.medium"
    labels        = ["us-east-1"]
  }
}
environment "own-network" {
  network {
    vpc  = "new"
    cidr = "192.168.0.0/24"
    nat  = "single"
  }
  agent {
    ssh {
      key_name = "prefect"
      cidr     = "203.0.113.7/32"
    }
  }
}
environment "brought-network" {
  network {
    vpc             = "vpc-0a1b2c3d4e5f67890"
    subnets         = ["subnet-0a1b2c3d4e5f67890"]
    security_groups = ["sg-0a1b2c3d4e5f67890"]
  }
  agent {
    image = "ami-0a1b2c3d4e5f67890"
    role {
      name      = "prefect-agent"
      ownership = "external"
    }
  }
}
