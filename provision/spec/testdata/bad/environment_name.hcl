environment "Dev_1" {}
