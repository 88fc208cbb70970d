"""pypsrp: its WinRS with the shell reused."""

import base64
import contextlib
import time

import lanes
import peer
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan


def connect(task, **options):
    """A client of one host: NTLM over HTTP, sealed."""
    return WSMan(
        "127.0.0.1",
        port=task["ports"][0],
        username=task["user"],
        password=task["password"],
        ssl=False,
        auth="negotiate",
        encryption="always",
        no_proxy=True,
        **options,
    )


@contextlib.contextmanager
def lane(task):
    """A shell, and a function that runs a command in it that does nothing."""
    with connect(task) as wsman, WinRS(wsman, codepage=65001) as shell:

        def noop():
            process = Process(shell, "exit", ["0"])
            process.invoke()
            process.signal(SignalCode.TERMINATE)
            if process.rc != 0:
                raise RuntimeError("a command that does nothing failed")

        yield noop


SCRIPT = """
$out=[IO.File]::Create('{destination}')
while(($line=[Console]::In.ReadLine()) -ne $null){{$b=[Convert]::FromBase64String($line);$out.Write($b,0,$b.Length)}}
$out.Dispose()
"""


def copy(task):
    """A file over standard input, base64 line by line, into a PowerShell that writes it: nothing verified or atomic."""
    with open(task["file"], "rb") as file, connect(task, max_envelope_size=512000) as wsman:
        with WinRS(wsman, codepage=65001) as shell:
            script = SCRIPT.format(destination=task["destination"]).encode("utf-16-le")
            arguments = ["-NoProfile", "-NonInteractive", "-InputFormat", "None", "-EncodedCommand"]
            arguments.append(base64.b64encode(script).decode())
            started = time.perf_counter()
            process = Process(shell, "powershell.exe", arguments)
            process.begin_invoke()
            # Base64 of base64: WinRM puts its own around what a command reads.
            while data := file.read(CHUNK_BYTES):
                process.send(base64.b64encode(data) + b"\n", end=False)
            process.send(b"", end=True)
            process.end_invoke()
            seconds = time.perf_counter() - started
            process.signal(SignalCode.TERMINATE)
            if process.rc != 0 or process.stderr:
                raise RuntimeError(f"the copy ended with {process.rc}: {process.stderr[:200]}")
            return {"seconds": seconds}


# As much as an envelope of 500 KiB holds when it is encoded twice.
CHUNK_BYTES = 280_000

peer.perform(
    "pypsrp",
    {
        "noop": lambda task: lanes.latency(task, lane),
        "noop_concurrent": lambda task: lanes.rate(task, lane),
        "copy": copy,
    },
)
