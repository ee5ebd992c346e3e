dated() { "${pip[@]}" --uploaded-prior-to '2025-12-09T00:00:00Z' 'prefect[aws]==2.20.25' 'prefect-aws==0.4.20' >>"$log"; }
  try "${pip[@]}" 'prefect[aws]==2.20.25' 'prefect-aws==0.4.20'
PREFECT_API_URL="https://prefect.example.com/api"
PREFECT_WORKER_WEBSERVER_HOST="127.0.0.1"
ExecStart=/opt/flowbed/venv/bin/prefect worker start --pool "flowbed-dev" --type ecs --name ${FLOWBED_NAME} --install-policy never --with-healthcheck
PARAMETER, VARIABLE = "/flowbed/dev/prefect-api-key", "PREFECT_API_KEY"
