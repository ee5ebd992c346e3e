environment "dev" {
  region = acount
  bucket { name = uper("x") }
  tags = merge("a", {})
  cluster { name = jsondecode("{") }
  network { vpc = element([], 0) }
}
