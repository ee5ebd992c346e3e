# --env prod
defaults {
  ttl = "8h"
  flows { cpu = 300 }
  agent {}
}
environment "prod" {
  deletion_protection = true
  prefect { enabled = "maybe" }
  flows { memory = 100000 }
}
