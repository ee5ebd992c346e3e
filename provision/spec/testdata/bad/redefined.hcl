environment "dev" {
  region = "us-east-1"
  region = "eu-central-1"
  prefect {
    api_key = "pnu_written_in_the_file"
    api_key = "pnu_written_in_the_file"
  }
  agent {}
}
