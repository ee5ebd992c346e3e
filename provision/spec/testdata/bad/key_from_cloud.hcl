environment "dev" {
  prefect {
    api_url          = "https://api.prefect.cloud/api/accounts/0f8fad5b-d9cb-469f-a165-70867728950e/workspaces/7c9e6679-7425-40de-944b-e07fc1f90ae7"
    auth_string_from = "/team/prefect"
  }
}
