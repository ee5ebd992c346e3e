# --env pr-*
environment "pr-*" {}
environment "dev" {}
