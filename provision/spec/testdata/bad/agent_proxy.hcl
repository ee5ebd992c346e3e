environment "dev" {
  prefect { api_url = "https://prefect.example.com/api" }
  agent {
    proxy = "http://deploy:hunter2@proxy.example.com:3128"
    pip_index_url = "https://deploy:hunter2@packages.example.com/simple"
    env   = { https_proxy = "http://proxy.example.com:3128", NO_PROXY = "a b" }
  }
}
