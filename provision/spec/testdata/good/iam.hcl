environment "dev" {
  iam {
    path                 = "/data/flows/"
    permissions_boundary = "arn:aws:iam::123456789012:policy/team/boundary"
  }
}
