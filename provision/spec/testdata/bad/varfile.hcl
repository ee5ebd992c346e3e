# --var-file testdata/vars/bad.hcl
# --var-file testdata/vars/syntax.hcl
# --var-file testdata/vars/syntax.json
# --var-file testdata/vars/nothing.hcl
# --var-file testdata/vars/block.hcl
# --var-file testdata/vars/list.json
# --var-file testdata/vars/twice.json
# --var-file testdata/vars/deep.json
variable "days" { default = 30 }
variable "list" { default = [] }
variable "key" { sensitive = true }
environment "dev" {}
