#!/opt/flowbed/venv/bin/python -I
"""Puts the API's secret where only systemd reads it, at each start."""
{{imports}}import os
import sys

import boto3

PARAMETER, VARIABLE = {{parameter}}, {{variable}}


def say(text):
    line = "FLOWBED: " + text + "\n"
    sys.stderr.write(line)
    try:
        with open("/dev/console", "a") as console:
            console.write(line)
    except OSError:
        pass


def quoted(value):
    for special in '\\"`$':
        value = value.replace(special, "\\" + special)
    return '"' + value + '"'


try:
    os.makedirs("/run/flowbed", mode=0o700, exist_ok=True)
    value = {{read}}.strip()
    if not value or any(ord(c) < 32 for c in value):
        raise ValueError("the value is empty or has control characters")
    handle = os.open("/run/flowbed/secret.env.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(VARIABLE + "=" + quoted(value) + "\n")
    os.replace("/run/flowbed/secret.env.new", "/run/flowbed/secret.env")
except Exception as error:
    say(f"FAILED: read {PARAMETER}: {error}")
    sys.exit(1)
