# --env prd
environment "dev" {}
environment "prod" {}
