# --env pr-4711_x
environment "pr-*" {}
environment "*-pr" {}
environment "a*b*" {}
environment "Pr-*" {}
