environment "dev" {
  bucket { name = "data" }
}
