environment "dev" {
  tags = {
    "aws:cost"            = "x"
    "AWS:cost"            = "x"
    "flowbed:environment" = "prod"
    "what?"               = "x"
    note                  = "50% off!"
    ""                    = "x"
  }
}
