#!/bin/bash
# What the instance of Terraform and of Ansible runs: the least that starts a worker. flowbed's own script does
# more: it retries, says what fails, pins versions, and restarts.
set -euo pipefail
dnf install -y python3.12
python3.12 -m venv /opt/prefect
/opt/prefect/bin/pip install prefect==3.9.1 prefect-aws==0.8.3
key=$(aws ssm get-parameter --name /peer/bench/prefect-api-key --with-decryption --query Parameter.Value --output text)
install -m 600 /dev/stdin /etc/prefect.env <<EOF
PREFECT_API_URL=http://127.0.0.1:4200/api
PREFECT_API_KEY=$key
EOF
cat > /etc/systemd/system/prefect.service <<EOF
[Service]
EnvironmentFile=/etc/prefect.env
ExecStart=/opt/prefect/bin/prefect worker start --pool peer-bench --type ecs
Restart=always
[Install]
WantedBy=multi-user.target
EOF
systemctl enable --now prefect
