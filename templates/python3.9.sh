# Prefect 1 ends with Python 3.10, and its packages have wheels for 3.9.
if ! command -v python3.9 >/dev/null; then
  command -v dnf >/dev/null || fail 'there is no Python 3.9, and no dnf'
  try dnf -y -q install python3
fi
python=$(command -v python3.9) || fail 'Python 3.9 is not there after its installation'
