variable "api_key" { sensitive = true }

environment "dev" {
  prefect {
    version = "1.4.2"
    api_url = "https://app.prefect.cloud/account/0f8fad5b-d9cb-469f-a165-70867728950e/workspace/7c9e6679-7425-40de-944b-e07fc1f90ae7/dashboard"
    api_key = var.api_key
  }
  agent {}
}
