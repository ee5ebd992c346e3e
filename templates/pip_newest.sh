# Wheels only: this machine could not build anything in its memory.
pip=(/opt/flowbed/venv/bin/python -m pip install -q --no-cache-dir --disable-pip-version-check --retries 5 --only-binary :all:)
try "${pip[@]}" {{packages}}
