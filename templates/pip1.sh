cat >/opt/flowbed/constraints.txt <<'FLOWBED_END'
{{constraints}}
FLOWBED_END
try /opt/flowbed/venv/bin/python -m pip install -q --no-cache-dir --disable-pip-version-check --retries 5 --only-binary :all: --constraint /opt/flowbed/constraints.txt {{package}}
