# --env pr-
environment "pr-*" {}
