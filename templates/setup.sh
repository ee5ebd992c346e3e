#!/bin/bash
# Makes this instance the agent of the flowbed environment {{env}}.
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

{{deadline}}{{proxy}}{{own}}begin 'swap'
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
name={{env_quoted}}-$instance

begin 'python'
{{python}}
begin 'prefect'
install -d -m 0755 /opt/flowbed /opt/flowbed/bin /etc/flowbed
id prefect >/dev/null 2>&1 || useradd --system --user-group --create-home --home-dir /var/lib/flowbed --shell /sbin/nologin prefect
try "$python" -m venv --clear /opt/flowbed/venv
{{install}}
begin 'files'
{{files}}
begin 'start'
systemctl daemon-reload
systemctl enable flowbed-agent.service >>"$log"
systemctl restart --no-block flowbed-agent.service
say "done: $name starts"
