begin 'proxy'
install -d -m 0755 /etc/flowbed
{{file}}set -a
# shellcheck source=/dev/null
. /etc/flowbed/proxy.env
set +a
# https://docs.aws.amazon.com/systems-manager/latest/userguide/configure-proxy-ssm-agent.html
if systemctl cat amazon-ssm-agent.service >/dev/null 2>&1; then
  install -d /etc/systemd/system/amazon-ssm-agent.service.d
  printf '[Service]\nEnvironmentFile=/etc/flowbed/proxy.env\n' >/etc/systemd/system/amazon-ssm-agent.service.d/flowbed.conf
  systemctl daemon-reload
  systemctl restart amazon-ssm-agent.service || say 'the agent of Systems Manager does not restart'
fi

