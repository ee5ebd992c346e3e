environment "dev" {
  flows { cpu = 256 }
}
