"""Starts the simulated host and hands out what the tests need to reach it.

The program is named by the environment variable WINDOWS_SIM_BIN.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
from dataclasses import dataclass

import pytest

USER = "Administrator"
PASSWORD = "correct horse ünd battery"


@dataclass(frozen=True)
class Host:
    """A simulated host that runs."""

    http_port: int
    https_port: int
    certificate_file: str
    certificate_sha256: str
    process: subprocess.Popen


@contextlib.contextmanager
def running(directory: pathlib.Path, *arguments: str):
    """Runs the program with more arguments until the block is left."""
    program = os.environ.get("WINDOWS_SIM_BIN")
    if not program:
        pytest.fail("set WINDOWS_SIM_BIN to the windows-sim program")
    command = [program, "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--user", USER, *arguments]
    environment = {**os.environ, "WINDOWS_SIM_PASSWORD": PASSWORD}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line, "the program ended before it listened"
            said = json.loads(line)
            certificate = pathlib.Path(tempfile.mkdtemp(dir=directory)) / "host.pem"
            certificate.write_text(said["certificate_pem"], encoding="ascii")
            yield Host(
                http_port=int(said["http"].rsplit(":", 1)[1]),
                https_port=int(said["https"].rsplit(":", 1)[1]),
                certificate_file=str(certificate),
                certificate_sha256=said["certificate_sha256"],
                process=process,
            )
        finally:
            process.terminate()
            process.wait(timeout=60)


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch):
    """Proxies and certificate bundles of this machine have no business in a test on loopback."""
    for name in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    """A host as Windows comes, with Basic over TLS added."""
    with running(tmp_path_factory.mktemp("host"), "--name", "WEB-1", "--basic") as running_host:
        yield running_host


@pytest.fixture(scope="session")
def splitting_host(tmp_path_factory):
    """A host that cuts its output into pieces of three bytes, which falls inside characters."""
    with running(tmp_path_factory.mktemp("splitting"), "--name", "WEB-2", "--output-split", "3") as running_host:
        yield running_host


@pytest.fixture
def start_host(tmp_path):
    """Starts a host of the test's own: `with start_host("--lockout", "3") as host`."""
    return lambda *arguments: running(tmp_path, *arguments)
