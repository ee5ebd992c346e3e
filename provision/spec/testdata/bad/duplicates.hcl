# --env dev
variable "a" {}
variable "a" {}

environment "dev" {
  bucket {}
  logs {}
  bucket {}
  region = "us-east-1"
}

environment "prod" {
  logs {}
  logs {}
  agent "big" {}
}

environment "dev" {}
