"""Commands that do nothing, one after the other or in several lanes at once."""

import threading
import time


def latency(task, lane):
    """Milliseconds of one command after the other; a lane is a context that gives a function."""
    with lane(task) as noop:
        for _ in range(task["warm"]):
            noop()
        times = []
        for _ in range(task["commands"]):
            started = time.perf_counter()
            noop()
            times.append((time.perf_counter() - started) * 1e3)
    return {"ms": times}


def rate(task, lane):
    """Seconds for all commands, each thread with a lane of its own."""
    at_once = task["at_once"]
    ready = threading.Barrier(at_once + 1)
    done = threading.Barrier(at_once + 1)
    failed = []

    def work():
        try:
            with lane(task) as noop:
                for _ in range(task["warm"] // at_once):
                    noop()
                ready.wait(60)
                for _ in range(task["commands"] // at_once):
                    noop()
                done.wait(60)
        except Exception as error:
            failed.append(error)
            ready.abort()
            done.abort()

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    try:
        ready.wait(60)
        started = time.perf_counter()
        done.wait(60)
        seconds = time.perf_counter() - started
    except threading.BrokenBarrierError:
        seconds = None
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return {"seconds": seconds}
