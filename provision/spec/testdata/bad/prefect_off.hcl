# --validate
defaults {
  prefect { api_url = "https://prefect.example.com/api" }
  flows {
    cpu    = 512
    memory = 1024
  }
  agent {}
}
environment "dev" {
  flows { cpu = null }
}
environment "prod" {
  prefect { enabled = false }
}
environment "fine" {}
environment "pr-*" {
  tags = { n = parseint(trimprefix(env_name, "pr-"), 2) }
}
