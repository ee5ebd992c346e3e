environment "pr-*" {}
