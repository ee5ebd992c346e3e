# The init of the image, as `tini -g` is: it runs a command in a process group of its
# own, passes SIGTERM to the group, and ends with the command's exit code.
set -m
trap 'kill -TERM -- "-$child"; again=1' TERM
"$@" &
child=$! code=127 again=1
while [ -n "$again" ]; do
  again=
  wait "$child" # the signal interrupts it
  last=$?
  [ "$last" = 127 ] || code=$last
done
exit "$code"
