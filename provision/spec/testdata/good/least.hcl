environment "dev" {}
