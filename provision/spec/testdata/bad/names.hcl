environment "dev" {
  region  = "us-east"
  account = 123456789
  bucket {
    name      = "My_Flows"
    namespace = "regional"
    ownership = "steal"
  }
  task_role {
    name = "a role"
    s3   = "buckets"
    ecr  = "push"
  }
  execution_role { name = "team/execution" }
  cluster { name = "flows!" }
  network {
    vpc     = "vpc-123"
    subnets = ["subnet-0a1b2c3d", "sub-1", "subnet-0a1b2c3d"]
  }
}
