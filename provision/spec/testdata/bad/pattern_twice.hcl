# --env pr-x-1
environment "pr-*" {}
environment "pr-x-*" {}
