{{constraints}}try /opt/flowbed/venv/bin/python -m pip install -q --no-cache-dir --disable-pip-version-check --retries 5 --only-binary :all: --constraint /opt/flowbed/constraints.txt {{packages}}
