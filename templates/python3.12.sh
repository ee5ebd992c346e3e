# The system's own python3 is too old, and is left alone.
if ! command -v python3.12 >/dev/null; then
  if command -v dnf >/dev/null; then
    try dnf -y -q install python3.12
  elif command -v apt-get >/dev/null; then
    try apt-get -q update
    try apt-get -qy install python3.12-venv
  else
    fail 'there is no Python 3.12, and neither dnf nor apt-get'
  fi
fi
python=$(command -v python3.12) || fail 'Python 3.12 is not there after its installation'
