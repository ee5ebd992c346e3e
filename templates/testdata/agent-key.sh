#!/bin/bash
# Makes this instance the agent of the flowbed environment dev.
set -euo pipefail
umask 022
export HOME=/root TMPDIR=/var/tmp # /tmp is memory here, and there is little of it

step=begin reason=
log=/var/log/flowbed-setup.log
console=/dev/console

# Lines so marked are what a person gets to see from outside.
say() { printf 'FLOWBED: %s\n' "$*" | tee -a "$log" "$console" 2>/dev/null || true; }
begin() { step=$1; say "step: $step"; }
fail() { reason=$1; exit 1; }
# fatal names what fails for good, if that is why the step fails: then no retry helps.
# Without an index pip finds no versions; with one it lists those that exist.
fatal() {
  case $step:$last$reason in
    setup:*) # it knows best; but what has not helped twice will not help
      if [ -e /run/flowbed-setup-failed ]; then echo "setup: $reason"; else : >/run/flowbed-setup-failed; fi
      ;;
    *'No space left on device'*) echo disk ;;
    *'requirement prefect'*'(from versions: '[0-9]* | *'(from prefect'*'(from versions: '[0-9]*) echo version ;;
    *'(from versions: '[0-9]* | *ResolutionImpossible*) echo packages ;;
    *'Unable to find a match'* | *'Unable to locate package'* | *'no Python'* | *'Python '*' is not there'*) echo python ;;
    *) if [ "$(df --output=avail -k / | tail -n 1)" -lt 10240 ]; then echo disk; fi ;;
  esac
}
ended() {
  [ "$1" = 0 ] && return
  # The URL of a package index may hold a password.
  last=$(grep -v -e '^FLOWBED: ' -e '^ *$' "$log" | tail -n 8 | cut -c1-300 | sed -E 's#(://)[^/@ ]+@#\1***@#g') || true
  say "FAILED: $step: ${reason:-exit status $1}"
  [ -z "$last" ] || while IFS= read -r l; do say "| $l"; done <<<"$last"
  kind=$(fatal) || true
  [ -z "$kind" ] || say "FATAL: $kind: no retry will help ($(date -u +%FT%TZ))"
  # cloud-init runs this once; a mirror may be down for longer than that.
  if systemd-run --quiet --on-active=2min /bin/bash "$0"; then say 'again in 2 minutes'; fi
}
trap 'ended $?' EXIT
exec 2>>"$log"

# try runs a command, which a mirror's hiccup may fail, up to five times.
try() {
  local n
  for n in 1 2 3 4 5; do
    if "$@" >>"$log"; then return 0; fi
    if [ "$n" -lt 5 ]; then
      say "again: $step: ${1##*/} failed $n of 5 times"
      sleep $((n * 5))
    fi
  done
  fail "${1##*/} failed 5 times"
}

begin 'swap'
memory=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo)
if [ "$memory" -le 1024 ] && [ ! -e /swapfile ]; then
  if dd if=/dev/zero of=/swapfile bs=1M count=1024 status=none && chmod 600 /swapfile &&
    mkswap /swapfile >>"$log" && swapon /swapfile >>"$log"; then
    echo '/swapfile none swap defaults 0 0' >>/etc/fstab
  else
    rm -f /swapfile
    say "no swap, with $memory MiB of memory"
  fi
fi

begin 'name'
metadata=http://169.254.169.254/latest
token=$(curl -fsS --retry 5 --retry-connrefused -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$metadata/api/token")
instance=$(curl -fsS --retry 5 --retry-connrefused -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/instance-id")
name='dev'-$instance

begin 'python'
# Prefect 1 ends with Python 3.10, and its packages have wheels for 3.9.
if ! command -v python3.9 >/dev/null; then
  command -v dnf >/dev/null || fail 'there is no Python 3.9, and no dnf'
  try dnf -y -q install python3
fi
python=$(command -v python3.9) || fail 'Python 3.9 is not there after its installation'

begin 'prefect'
install -d -m 0755 /opt/flowbed /opt/flowbed/bin /etc/flowbed
id prefect >/dev/null 2>&1 || useradd --system --user-group --create-home --home-dir /var/lib/flowbed --shell /sbin/nologin prefect
try "$python" -m venv --clear /opt/flowbed/venv
cat >/opt/flowbed/constraints.txt <<'FLOWBED_END'
boto3==1.40.61
botocore==1.40.61
certifi==2025.10.5
charset-normalizer==2.1.1
click==8.1.3
cloudpickle==2.2.0
croniter==1.3.8
dask==2022.12.1
distributed==2022.12.1
docker==6.0.1
fsspec==2022.11.0
heapdict==1.0.1
idna==3.4
importlib-resources==5.10.1
jinja2==3.1.2
jmespath==1.0.1
locket==1.0.0
markupsafe==2.1.1
marshmallow-oneofschema==3.0.1
marshmallow==3.19.0
msgpack==1.0.4
mypy-extensions==0.4.3
packaging==22.0
partd==1.3.0
pendulum==2.1.2
psutil==5.9.4
python-box==6.1.0
python-dateutil==2.8.2
python-slugify==7.0.0
pytz==2022.7
pytzdata==2020.1
pyyaml==6.0
requests==2.28.1
s3transfer==0.14.0
six==1.16.0
sortedcontainers==2.4.0
tabulate==0.9.0
tblib==1.7.0
text-unidecode==1.3
toml==0.10.2
toolz==0.12.0
tornado==6.2
urllib3==1.26.20
websocket-client==1.4.2
zict==2.2.0
zipp==3.11.0
FLOWBED_END
try /opt/flowbed/venv/bin/python -m pip install -q --no-cache-dir --disable-pip-version-check --retries 5 --only-binary :all: --constraint /opt/flowbed/constraints.txt 'prefect[aws]==1.4.1' 's3fs'

begin 'files'
cat >/etc/flowbed/agent.env <<'FLOWBED_END'
AWS_DEFAULT_REGION="eu-central-1"
AWS_RETRY_MODE="adaptive"
AWS_MAX_ATTEMPTS="10"
AWS_METADATA_SERVICE_NUM_ATTEMPTS="5"
PREFECT__BACKEND="cloud"
TZ="UTC"
REQUESTS_CA_BUNDLE="/etc/flowbed/ca-bundle.pem"
PREFECT__LOGGING__LEVEL="DEBUG"
FLOWBED_END
chmod 0644 /etc/flowbed/agent.env
cat >/opt/flowbed/bin/report <<'FLOWBED_END'
#!/bin/bash
# Shows the last words of an agent that ended badly on the console.
[ "${SERVICE_RESULT:-success}" = success ] && exit 0
# The lines with which Python underlines a place say nothing by themselves.
last=$(journalctl --unit flowbed-agent.service --lines 30 --no-pager --output cat 2>/dev/null |
  grep -v -e '^[ ^~]*$' -e '^FLOWBED: FATAL' | tail -n 12 | cut -c1-300)
case $last in
  *'401 Unauthorized'* | *'403 Forbidden'* | *AuthorizationError*) kind=key ;;
  *'No space left on device'*) kind=disk ;;
  *) kind= ;;
esac
{
  echo "FLOWBED: FAILED: the agent ended (${SERVICE_RESULT:-unknown} ${EXIT_STATUS:-})"
  printf '%s\n' "$last" | sed -E -e 's/^/FLOWBED: | /' -e 's#(://)[^/@ ]+@#\1***@#g'
} >>/dev/console 2>/dev/null
# What has not helped three times will not help. Standard output is the agent's log.
restarts=$(systemctl show --property NRestarts --value flowbed-agent.service 2>/dev/null)
if [ -n "$kind" ] && [ "${restarts:-0}" -ge 2 ]; then
  echo "FLOWBED: FATAL: $kind: no retry will help ($(date -u +%FT%TZ))" | tee -a /dev/console 2>/dev/null
fi
exit 0
FLOWBED_END
chmod 0755 /opt/flowbed/bin/report
cat >/etc/systemd/system/flowbed-agent.service <<'FLOWBED_END'
[Unit]
Description=Prefect agent of the flowbed environment dev
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
User=prefect
Group=prefect
StateDirectory=flowbed
StateDirectoryMode=0700
WorkingDirectory=/var/lib/flowbed
EnvironmentFile=/etc/flowbed/agent.env
EnvironmentFile=-/run/flowbed/secret.env
ExecStartPre=+/opt/flowbed/bin/fetch-secret
ExecStart=/opt/flowbed/venv/bin/prefect agent ecs start --name ${FLOWBED_NAME} --api "http://10.0.0.5:4200" --agent-address http://127.0.0.1:8080 --cluster "arn:aws:ecs:eu-central-1:123456789012:cluster/default" --launch-type "FARGATE" --task-role-arn "arn:aws:iam::123456789012:role/flowbed-dev-task" --execution-role-arn "arn:aws:iam::123456789012:role/ecsTaskExecutionRole" --run-task-kwargs /etc/flowbed/run-task.yaml --task-definition /etc/flowbed/task-definition.yaml --label "fargate-dev" --label "s3-flow-storage" --label "it's 100%% \"odd\""
ExecStopPost=+/opt/flowbed/bin/report
Restart=always
RestartSec=10
TimeoutStartSec=180
TimeoutStopSec=60
KillMode=mixed
UMask=0077
MemoryMax=85%
CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
FLOWBED_END
chmod 0644 /etc/systemd/system/flowbed-agent.service
cat >/etc/flowbed/run-task.yaml <<'FLOWBED_END'
# What the agent hands to RunTask beyond its own flags, in the spelling of the API.
networkConfiguration:
  awsvpcConfiguration:
    subnets: ["subnet-1", "subnet-2"]
    securityGroups: ["sg-1"]
    assignPublicIp: ENABLED
tags: [{key: "cost-center", value: "42"}, {key: "gr\U000000f6\U000000dfe: x", value: ""}]
propagateTags: TASK_DEFINITION
FLOWBED_END
chmod 0644 /etc/flowbed/run-task.yaml
cat >/etc/flowbed/task-definition.yaml <<'FLOWBED_END'
# The agent's own default, which a file of ours replaces, with tags.
networkMode: awsvpc
cpu: 1024
memory: 2048
containerDefinitions:
  - name: flow
tags: [{key: "cost-center", value: "42"}, {key: "gr\U000000f6\U000000dfe: x", value: ""}]
FLOWBED_END
chmod 0644 /etc/flowbed/task-definition.yaml
cat >/opt/flowbed/bin/fetch-secret <<'FLOWBED_END'
#!/opt/flowbed/venv/bin/python -I
"""Puts the API's secret where only systemd reads it, at each start."""
import os
import sys

import boto3

PARAMETER, VARIABLE = "/flowbed/dev/prefect-api-key", "PREFECT__CLOUD__API_KEY"


def say(text):
    line = "FLOWBED: " + text + "\n"
    sys.stderr.write(line)
    try:
        with open("/dev/console", "a") as console:
            console.write(line)
    except OSError:
        pass


def quoted(value):
    for special in '\\"`$':
        value = value.replace(special, "\\" + special)
    return '"' + value + '"'


try:
    os.makedirs("/run/flowbed", mode=0o700, exist_ok=True)
    value = boto3.client("ssm").get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]["Value"].strip()
    if not value or any(ord(c) < 32 for c in value):
        raise ValueError("the value is empty or has control characters")
    handle = os.open("/run/flowbed/secret.env.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(VARIABLE + "=" + quoted(value) + "\n")
    os.replace("/run/flowbed/secret.env.new", "/run/flowbed/secret.env")
except Exception as error:
    say(f"FAILED: read {PARAMETER}: {error}")
    sys.exit(1)
FLOWBED_END
chmod 0755 /opt/flowbed/bin/fetch-secret
cat >/etc/flowbed/ca.pem <<'FLOWBED_END'
-----BEGIN CERTIFICATE-----
MIIBszCCAVmgAwIBAgIUQ0E
-----END CERTIFICATE-----
FLOWBED_END
chmod 0644 /etc/flowbed/ca.pem
printf 'FLOWBED_NAME=%s\n' "$name" >>/etc/flowbed/agent.env
cat "$(/opt/flowbed/venv/bin/python -m certifi)" /etc/flowbed/ca.pem >/etc/flowbed/ca-bundle.pem

begin 'start'
systemctl daemon-reload
systemctl enable flowbed-agent.service >>"$log"
systemctl restart --no-block flowbed-agent.service
say "done: $name starts"
