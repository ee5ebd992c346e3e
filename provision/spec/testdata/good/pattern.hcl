# --env pr-4711
defaults { tags = { stage = "review" } }
environment "pr-*" {
  ttl  = "8h"
  tags = { pull-request = trimprefix(env_name, "pr-") }
}
environment "pr-1" {}
