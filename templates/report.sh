#!/bin/bash
# Shows the last words of an agent that ended badly on the console.
[ "${SERVICE_RESULT:-success}" = success ] && exit 0
{
  echo "FLOWBED: FAILED: the agent ended (${SERVICE_RESULT:-unknown} ${EXIT_STATUS:-})"
  journalctl --unit flowbed-agent.service --lines 12 --no-pager --output cat 2>/dev/null | cut -c1-300 | sed 's/^/FLOWBED: | /'
} >>/dev/console 2>/dev/null
exit 0
