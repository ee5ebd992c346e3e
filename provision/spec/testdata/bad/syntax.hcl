environment "dev" {
  region = "us-east-1
  bucket { name = }
