varable "key" {}
environments = ["dev"]
something {}

environment "dev" {
  regoin = "us-east-1"
  bukcet {}
  logs = { retention_days = 30 }
  tags {
    a = "b"
  }
  colour = "green"

  prefect {
    url = "https://prefect.example.com/api"
  }
  agent {
    type = "t2.micro"
    ssh {
      publik_key = "x"
    }
  }
}
