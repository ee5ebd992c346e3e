environment "dev" {
  iam {
    path                 = "data"
    permissions_boundary = "boundary"
    boundary             = "arn:aws:iam::123456789012:policy/boundary"
  }
  execution_role { name = "ecsTaskExecutionRole" }
}
