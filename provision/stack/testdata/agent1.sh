try /opt/flowbed/venv/bin/python -m pip install -q --no-cache-dir --disable-pip-version-check --retries 5 --only-binary :all: --constraint /opt/flowbed/constraints.txt 'prefect[aws]==1.4.1'
PREFECT__BACKEND="server"
ExecStart=/opt/flowbed/venv/bin/prefect agent ecs start --name ${FLOWBED_NAME} --api "http://prefect.example.com:4200" --agent-address http://127.0.0.1:8080 --cluster "arn:aws:ecs:eu-central-1:123456789012:cluster/default" --launch-type "FARGATE" --task-role-arn "arn:aws:iam::123456789012:role/flowbed-dev-task" --execution-role-arn "arn:aws:iam::123456789012:role/ecsTaskExecutionRole" --run-task-kwargs /etc/flowbed/run-task.yaml --label "fargate-dev" --label "s3-flow-storage"
    subnets: ["subnet-0c091e6854b956cf7", "subnet-099daeff54d9a299b", "subnet-0515466358760a3ec"]
    securityGroups: ["sg-…"]
    assignPublicIp: ENABLED
