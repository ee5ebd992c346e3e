environment "dev" {
  region  = account == "123456789012" ? "us-east-1" : "eu-central-1"
  account = region
}
