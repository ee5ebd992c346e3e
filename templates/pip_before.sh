# Wheels only: this machine could not build anything in its memory.
pip=(/opt/flowbed/venv/bin/python -m pip install -q --no-cache-dir --disable-pip-version-check --retries 5 --only-binary :all:)
try "${pip[@]}" --upgrade pip=={{pip}}
dated() { "${pip[@]}" --uploaded-prior-to {{before}} {{packages}} >>"$log"; }
if ! dated && sleep 20 && ! dated; then
  say 'again: prefect: with the newest packages'
  try "${pip[@]}" {{packages}}
fi
