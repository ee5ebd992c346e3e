environment "dev" {
  region = "me-south-1"
}
