"""pywinrm: its Protocol with the shell reused, and a pool of threads over many hosts."""

import concurrent.futures
import contextlib

import lanes
import peer
from winrm.protocol import Protocol


def protocol(task, port):
    """A client of one host: NTLM over HTTP, sealed."""
    return Protocol(
        f"http://127.0.0.1:{port}/wsman",
        transport="ntlm",
        username=task["user"],
        password=task["password"],
        message_encryption="always",
        proxy=None,
    )


def execute(client, shell, command, arguments):
    """One command: started, listened to until it has ended, let go."""
    running = client.run_command(shell, command, arguments)
    try:
        return client.get_command_output(shell, running)
    finally:
        client.cleanup_command(shell, running)


@contextlib.contextmanager
def lane(task):
    """A shell, and a function that runs a command in it that does nothing."""
    client = protocol(task, task["ports"][0])
    shell = client.open_shell()

    def noop():
        if execute(client, shell, "exit", ["0"])[2] != 0:
            raise RuntimeError("a command that does nothing failed")

    try:
        yield noop
    finally:
        client.close_shell(shell)


def one_host(task, port):
    """One command on one host, from the first byte to the last."""
    client = protocol(task, port)
    shell = client.open_shell()
    try:
        return execute(client, shell, "echo", ["here"])
    finally:
        client.close_shell(shell)


def fleet(task):
    """One command on every host, in threads."""
    with concurrent.futures.ThreadPoolExecutor(task["threads"]) as pool:
        results = list(pool.map(lambda port: one_host(task, port), task["ports"]))
    if any(output.strip() != b"here" for output, _, _ in results):
        raise RuntimeError("a host did not answer")
    return {}


peer.perform(
    "pywinrm",
    {
        "noop": lambda task: lanes.latency(task, lane),
        "noop_concurrent": lambda task: lanes.rate(task, lane),
        "fleet": fleet,
    },
)
