# --var-file testdata/vars/values.hcl
# --var-file testdata/vars/values.json
variable "days" { default = 30 }
variable "list" { default = [] }
variable "on" { default = true }
variable "key" { sensitive = true }
environment "dev" {}
