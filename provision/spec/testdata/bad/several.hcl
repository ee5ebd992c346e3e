environment "dev" {}
environment "staging" {}
environment "prod" {
  regoin = "us-east-1"
}
