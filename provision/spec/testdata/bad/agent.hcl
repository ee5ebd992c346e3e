environment "dev" {
  agent {
    instance_type = "micro"
    image         = "al2032"
    volume_gib    = 4
    ssh {
      cidr = "203.0.113.7"
    }
  }
}
