"""procrastinate: its asynchronous app and worker on PostgreSQL."""

import asyncio
import logging
import time

import peer
import procrastinate

# How many tasks its worker runs at once, and how many connections it has for that.
AT_ONCE = 10
CONNECTIONS = 10
# How many callers defer many tasks at a time, and how many tasks one call defers.
BULK_CALLERS = 2
BULK = 1_000
# The longest that any wait of a task takes.
LIMIT = 120

# It warns that its app is made in a program of one file.
logging.getLogger("procrastinate").setLevel(logging.ERROR)


class Queue:
    """The app, its task, and what has run."""

    def __init__(self, task):
        self.count = task["tasks"]
        self.callers = task["callers"]
        connector = procrastinate.PsycopgConnector(
            conninfo=task["place"], min_size=CONNECTIONS, max_size=CONNECTIONS
        )
        self.app = procrastinate.App(connector=connector)
        self.ran = 0
        self.all_ran = asyncio.Event()
        self.started = asyncio.Queue()

        @self.app.task(name="nothing")
        async def nothing():
            self.started.put_nowait(time.perf_counter())
            self.ran += 1
            if self.ran == self.count:
                self.all_ran.set()

        self.nothing = nothing

    async def bulk(self):
        """Defers all tasks, many to a call."""
        sizes = [min(BULK, self.count - first) for first in range(0, self.count, BULK)]

        async def call(lane):
            for size in sizes[lane::BULK_CALLERS]:
                await self.nothing.batch_defer_async(*({} for _ in range(size)))

        await asyncio.gather(*(call(lane) for lane in range(BULK_CALLERS)))

    async def one_by_one(self):
        """Defers all tasks, one to a call."""

        async def call(share):
            for _ in range(share):
                await self.nothing.defer_async()

        await asyncio.gather(*(call(self.count // self.callers) for _ in range(self.callers)))

    def work(self):
        """A worker that goes on until it is cancelled."""
        worker = self.app.run_worker_async(
            concurrency=AT_ONCE, install_signal_handlers=False, listen_notify=True
        )
        return asyncio.create_task(worker)

    async def ended(self):
        """Returns when every task's end is in the database."""
        await asyncio.wait_for(self.all_ran.wait(), LIMIT)
        left = "SELECT count(*) AS left FROM procrastinate_jobs WHERE status <> 'succeeded'"
        while (await self.app.connector.execute_query_one_async(left))["left"]:
            await asyncio.sleep(0.001)


async def drain(queue):
    await queue.bulk()
    began = time.perf_counter()
    worker = queue.work()
    await queue.ended()
    seconds = time.perf_counter() - began
    worker.cancel()
    await asyncio.wait([worker], timeout=LIMIT)
    return {"seconds": seconds}


async def enqueue(queue):
    began = time.perf_counter()
    await queue.one_by_one()
    return {"seconds": time.perf_counter() - began}


async def bulk(queue):
    began = time.perf_counter()
    await queue.bulk()
    return {"seconds": time.perf_counter() - began}


async def starts(queue):
    worker = queue.work()
    times = []
    # The first finds a worker that is not listening yet.
    for warm in [True] + [False] * queue.count:
        asked = time.perf_counter()
        await queue.nothing.defer_async()
        started = await asyncio.wait_for(queue.started.get(), LIMIT)
        if not warm:
            times.append((started - asked) * 1e3)
        await ended_one(queue)
    worker.cancel()
    await asyncio.wait([worker], timeout=LIMIT)
    return {"ms": times}


async def ended_one(queue):
    """Returns when the worker is idle again."""
    left = "SELECT count(*) AS left FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
    while (await queue.app.connector.execute_query_one_async(left))["left"]:
        await asyncio.sleep(0.001)


def run(work):
    """A task that runs on a database with procrastinate's schema."""

    async def prepared(task):
        queue = Queue(task)
        async with queue.app.open_async():
            await queue.app.schema_manager.apply_schema_async()
            return await work(queue)

    return lambda task: asyncio.run(prepared(task))


if __name__ == "__main__":
    works = {"drain": drain, "enqueue": enqueue, "bulk": bulk, "starts": starts}
    peer.perform("procrastinate", {name: run(work) for name, work in works.items()})
