"""huey: its consumer on SQLite, which takes a task out of the file before it runs."""

import threading
import time

import huey
import peer

# The longest that all tasks may take.
LIMIT = 120


def queue(task):
    """The queue on a file that is synced at every commit, and its task, which says when the last one has run."""
    tasks = huey.SqliteHuey("bench", filename=task["place"], fsync=True)
    synchronous = tasks.storage.sql("PRAGMA synchronous", results=True)
    if synchronous != [(2,)]:
        raise RuntimeError(f"huey's file is not synced: {synchronous}")
    all_ran = threading.Event()
    ran = 0

    @tasks.task()
    def nothing():
        nonlocal ran
        ran += 1
        if ran == task["tasks"]:
            all_ran.set()

    return tasks, nothing, all_ran


def drain(task):
    # One worker: threads of one process take turns at the file and at the interpreter.
    tasks, nothing, all_ran = queue(task)
    for _ in range(task["tasks"]):
        nothing()
    consumer = tasks.create_consumer(workers=1, periodic=False, initial_delay=0.001, check_worker_health=False)
    began = time.perf_counter()
    consumer.start()
    if not all_ran.wait(LIMIT) or len(tasks):
        raise RuntimeError(f"{len(tasks)} tasks are left")
    seconds = time.perf_counter() - began
    consumer.stop(graceful=True)
    return {"seconds": seconds}


def enqueue(task):
    _, nothing, _ = queue(task)
    began = time.perf_counter()
    for _ in range(task["tasks"]):
        nothing()
    return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    peer.perform("huey", {"drain": drain, "enqueue": enqueue})
