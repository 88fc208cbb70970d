"""What every Python peer shares: one line of JSON in, one line out."""

import importlib.metadata
import json
import sys


def perform(package, tasks):
    """Does the task on standard input with one of the functions and prints its answer."""
    task = json.loads(sys.stdin.readline())
    work = tasks.get(task["task"])
    try:
        answer = work(task) if work else {"error": f"{task['task']} is no task of {package}"}
    except Exception as error:  # The harness names what a peer cannot do.
        answer = {"error": f"{type(error).__name__}: {error}"}
    if package:
        answer["version"] = importlib.metadata.version(package)
    print(json.dumps(answer))
