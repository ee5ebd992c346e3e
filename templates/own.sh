begin 'setup'
install -d -m 0755 /etc/flowbed
{{file}}chmod 0700 /etc/flowbed/setup
if [ ! -e /etc/flowbed/setup.done ]; then
  code=0
  /etc/flowbed/setup </dev/null >>"$log" || code=$?
  [ "$code" = 0 ] || fail "exit status $code"
  : >/etc/flowbed/setup.done
fi

