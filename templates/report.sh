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
