locals { home = "${region}-x" }
environment "dev" {
  region  = local.home
  account = "x${local.missing}"
}
