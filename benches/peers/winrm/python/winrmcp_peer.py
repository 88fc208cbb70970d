"""winrmcp: the program from Debian. It speaks Basic alone, so its host listens for HTTPS."""

import os
import subprocess
import tempfile
import time

import peer


def copy(task):
    """A file, as its command line copies it."""
    program = os.environ.get("OPSCONDUCTOR_BENCH_WINRMCP")
    if not program:
        raise RuntimeError("the program is not installed")
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as certificate:
        certificate.write(task["certificate_pem"])
        certificate.flush()
        arguments = [program, "-https", "-insecure", f"-addr=127.0.0.1:{task['ports'][0]}"]
        arguments += [f"-user={task['user']}", f"-pass={task['password']}", task["file"], task["destination"]]
        started = time.perf_counter()
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=170)
        seconds = time.perf_counter() - started
    if done.returncode != 0 or "rror" in done.stderr + done.stdout:
        raise RuntimeError(f"it ended with {done.returncode}: {(done.stderr or done.stdout).strip()[:300]}")
    return {"seconds": seconds, "version": "0.0~git20180921"}


peer.perform(None, {"copy": copy})
