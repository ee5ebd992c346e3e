dated() { "${pip[@]}" --uploaded-prior-to '2026-10-31T00:00:00Z' 'prefect[aws]==3.9.1' 'prefect-aws==0.7.12' >>"$log"; }
  try "${pip[@]}" 'prefect[aws]==3.9.1' 'prefect-aws==0.7.12'
PREFECT_API_URL="https://prefect.example.com/api"
PREFECT_WORKER_WEBSERVER_HOST="127.0.0.1"
PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME="flowbed-dev-events"
ExecStart=/opt/flowbed/venv/bin/prefect worker start --pool "flowbed-dev" --type ecs --name ${FLOWBED_NAME} --install-policy never --with-healthcheck --no-create-pool-if-not-found
PARAMETER, VARIABLE = "/flowbed/dev/prefect-api-key", "PREFECT_API_AUTH_STRING"
