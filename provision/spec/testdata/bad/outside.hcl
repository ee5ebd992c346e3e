environment "dev" {
  region  = env("NOT_SET")
  account = file("account.txt")
  tags = {
    dir  = file("..")
    home = file("~/nothing")
  }
}
