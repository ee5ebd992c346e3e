locals {
  team   = local.group
  group  = upper(local.team)
  self   = { x = local.self.x }
  number = 1 + "x"
  typo   = var.nothing
  unused = nosuch("x")
}
locals {
  team = "data"
  nested { x = 1 }
}
locals "x" {}
environment "dev" {
  tags = { team = local.team, a = local.number, b = local.number, c = local.typo, d = local.tean, e = local.other }
}
