"""litequeue: messages in a file, popped and marked as done by a loop, since it brings no worker."""

import time

import litequeue
import peer


def queue(task):
    """The queue on a file that is synced at every commit, which litequeue would not do by itself."""
    messages = litequeue.LiteQueue(task["place"])
    messages.conn.execute("PRAGMA synchronous = FULL")
    journal = messages.conn.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = messages.conn.execute("PRAGMA synchronous").fetchone()[0]
    if (journal, synchronous) != ("wal", 2):
        raise RuntimeError(f"litequeue's file is not synced: {journal}, {synchronous}")
    return messages


def drain(task):
    messages = queue(task)
    for _ in range(task["tasks"]):
        messages.put("nothing")
    began = time.perf_counter()
    while (message := messages.pop()) is not None:
        messages.done(message.message_id)
    seconds = time.perf_counter() - began
    if messages.qsize():
        raise RuntimeError(f"{messages.qsize()} messages are left")
    return {"seconds": seconds}


def enqueue(task):
    messages = queue(task)
    began = time.perf_counter()
    for _ in range(task["tasks"]):
        messages.put("nothing")
    return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    peer.perform("litequeue", {"drain": drain, "enqueue": enqueue})
