environment "dev" {
  bucket {
    namespace = "global"
    name      = "data-${account}-${region}-an"
  }
}
