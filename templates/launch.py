"""Starts an agent in a container of an ECS service: gives it its name and its files, and
scales the service to zero when the environment expires."""
import calendar
import json
import os
import signal
import sys
import time
import urllib.request
import uuid

settings = json.loads(os.environ.pop("FLOWBED_AGENT"))


def say(text):
    print("FLOWBED: " + text, file=sys.stderr, flush=True)


def task_id():
    try:
        with urllib.request.urlopen(os.environ["ECS_CONTAINER_METADATA_URI_V4"] + "/task", timeout=5) as reply:
            return json.loads(reply.read().decode())["TaskARN"].rpartition("/")[2]
    except Exception as error:
        say("cannot read the task's id, and uses another: " + str(error))
        return uuid.uuid4().hex


def write(file):
    content = file["content"]
    if file.get("public"):  # in place of the default bundle of authorities
        import certifi

        with open(certifi.where()) as bundle:
            content = bundle.read() + content
    os.makedirs(os.path.dirname(file["path"]), exist_ok=True)
    with open(file["path"], "w") as out:
        out.write(content)


def remaining():
    return calendar.timegm(time.strptime(settings["expires"], "%Y-%m-%dT%H:%M:%SZ")) - time.time()


def expire():
    """Ends the service. If that fails, at least this agent ends."""
    while remaining() > 0:
        time.sleep(min(remaining(), 3600))
    say("the environment has expired")
    try:
        import boto3

        boto3.client("ecs").update_service(cluster=settings["cluster"], service=settings["service"], desiredCount=0)
        return True
    except Exception as error:
        say("FAILED: scale the service to zero: " + str(error))
        return False


for file in settings.get("files", []):
    write(file)
name = settings["env"] + "-" + task_id()
if settings.get("expires"):
    if remaining() <= 0:
        expire()
        time.sleep(600)  # ECS ends this task before
        sys.exit(1)
    agent = os.getpid()
    if os.fork() == 0:
        if not expire():
            os.kill(agent, signal.SIGTERM)
        os._exit(0)
command = [name if word == "{name}" else word for word in sys.argv[1:]]
say("starts " + name)
os.execvp(command[0], command)
