environment "dev" {
  region  = "eu-central-1"
  account = "123456789012"
  bucket { name = "data-${account}-us-east-1-an" }
}
