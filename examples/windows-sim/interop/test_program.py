"""The program itself: several hosts, faults from the command line, and what it says when it ends."""

import json
import os
import subprocess
import time

import pytest
import requests
from conftest import PASSWORD, USER
from pypsrp.exceptions import AuthenticationError, WinRMError, WSManFaultError
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan
from test_pypsrp import connect, run


def start(*arguments):
    """Starts the program and gives its output back as it comes."""
    environment = {**os.environ, "WINDOWS_SIM_PASSWORD": PASSWORD}
    command = [os.environ["WINDOWS_SIM_BIN"], *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stop(process):
    """Ends the program: what it says last."""
    process.terminate()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    (line,) = said.splitlines()
    return json.loads(line)


def test_several_hosts_run_in_one_process_and_are_counted_together_and_apart():
    with start("--hosts", "3", "--name", "WEB", "--listen", "127.0.0.1:0", "--report-commands") as process:
        hosts = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert [host["name"] for host in hosts] == ["WEB-1", "WEB-2", "WEB-3"]
        assert len({host["http"] for host in hosts}) == 3
        for host in hosts[:2]:
            port = int(host["http"].rsplit(":", 1)[1])
            with WSMan("127.0.0.1", port=port, ssl=False, username=USER, password=PASSWORD, no_proxy=True) as wsman:
                with WinRS(wsman) as shell:
                    assert run(shell, "hostname").stdout.decode().strip() == host["name"]
        report = stop(process)
    assert report["event"] == "stopped"
    total, each = report["total"], {host["name"]: host for host in report["hosts"]}
    assert (total["commands"], total["duplicates"], total["plaintext_bodies"]) == (2, 0, 0)
    assert (total["shells_opened"], total["shells_open"], total["logons_ok"]) == (2, 0, 2)
    assert total["bytes_in"] > 1000 and total["bytes_out"] > 1000
    assert each["WEB-1"]["executed"] == ["hostname"]
    assert (each["WEB-3"]["commands"], each["WEB-3"]["executed"], each["WEB-3"]["logons"]) == (0, [], {})


def test_a_program_that_is_stopped_at_once_still_says_what_reached_its_hosts():
    with start("--listen", "127.0.0.1:0", "--hosts", "100") as process:
        for _ in range(100):
            process.stdout.readline()
        assert len(stop(process)["hosts"]) == 100


def test_failed_logons_are_counted_by_user():
    with start("--listen", "127.0.0.1:0") as process:
        port = int(json.loads(process.stdout.readline())["http"].rsplit(":", 1)[1])
        with WSMan("127.0.0.1", port=port, ssl=False, username=USER, password="wrong", no_proxy=True) as wsman:
            with pytest.raises(AuthenticationError):
                WinRS(wsman).open()
        (host,) = stop(process)["hosts"]
    assert host["logons"] == {USER: {"ok": 0, "failed": 1, "failed_in_a_row": 1}}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("receive", "has no '='"),
        ("receve=reboot", "is no message"),
        ("receive=explode", "is no fault"),
        ("receive:0=reboot", "is no count"),
        ("receive=delay=5", "is no time"),
        ("WEB-9/receive=reboot", "there is none of that name"),
    ],
)
def test_a_bad_fault_is_refused_with_the_remedy(spec, says):
    with start("--listen", "127.0.0.1:0", "--fault", spec) as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert says in error


def test_more_hosts_than_ports_are_refused():
    with start("--listen", "127.0.0.1:65535", "--hosts", "2") as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "not enough ports" in error or "cannot start" in error


def attempt(host, way):
    """Runs one command by one of the ways in; a shell that failed is not closed, which would hide how it failed."""
    with connect(host, way) as wsman:
        shell = WinRS(wsman)
        shell.open()
        stdout = run(shell, "echo", ["hello"]).stdout
        shell.close()
        return stdout


FAILS = {
    "drop-before": requests.ConnectionError,
    "drop-after": requests.ConnectionError,
    "truncated": (requests.ConnectionError, requests.exceptions.ChunkedEncodingError),
    "unavailable": WinRMError,
    "too-large": WinRMError,
    "refuse=2150859173": WSManFaultError,
    "refuse-wmi=170": Exception,
    "garbage": Exception,
    "bad-seal": Exception,
    "reboot": requests.ConnectionError,
}


@pytest.mark.parametrize("fault", FAILS)
@pytest.mark.parametrize("way", ["negotiate-http", "negotiate-https-sealed"])
def test_faults_from_the_command_line_meet_a_sealing_client(start_host, fault, way):
    with start_host("--name", "WEB-1", "--fault", f"WEB-1/command:1={fault}") as host:
        with pytest.raises(FAILS[fault]) as caught:
            attempt(host, way)
        if fault.startswith("refuse="):
            assert caught.value.code == 2150859173
        assert attempt(host, way) == b"hello\r\n"


@pytest.mark.parametrize("leg", ["negotiate", "authenticate"])
@pytest.mark.parametrize(
    "fault",
    ["drop-before", "drop-after", "unauthorized", "unavailable", "garbage", "truncated", "reboot", "refuse=5"],
)
def test_both_legs_of_the_handshake_can_fail(start_host, leg, fault):
    with start_host("--fault", f"{leg}={fault}") as host:
        with pytest.raises(Exception):  # noqa: B017 - what it is depends on the leg, that it is one does not
            attempt(host, "negotiate-http")
        assert attempt(host, "negotiate-http") == b"hello\r\n"


def test_a_delayed_leg_delays_the_handshake(start_host):
    with start_host("--fault", "authenticate=delay=300ms") as host:
        started = time.monotonic()
        assert attempt(host, "negotiate-http") == b"hello\r\n"
        assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("way", ["negotiate-http", "negotiate-https", "negotiate-https-sealed"])
def test_a_slow_link_slows_what_is_sealed_in_both_directions(start_host, way):
    with start_host("--latency", "30", "--bandwidth", "400000") as host:
        with connect(host, way) as wsman, WinRS(wsman) as shell:
            process = Process(shell, "more")
            process.begin_invoke()
            # 60,000 bytes are 80,000 in base64: 200 ms.
            started = time.monotonic()
            process.send(b"x" * 59_998 + b"\r\n", end=True)
            assert time.monotonic() - started >= 0.2
            started = time.monotonic()
            process.end_invoke()
            assert time.monotonic() - started >= 0.2
            process.signal(SignalCode.TERMINATE)
            assert process.stdout.startswith(b"x" * 59_998)


def test_quotas_are_set_on_the_command_line(start_host):
    with start_host("--max-shells", "1", "--max-operations", "1", "--max-envelope", "20000") as host:
        with connect(host, "negotiate-http") as wsman, WinRS(wsman) as shell:
            with pytest.raises(WSManFaultError) as caught:
                WinRS(wsman).open()
            assert caught.value.code == 2150859173
            assert run(shell, "echo", ["one"]).stdout == b"one\r\n"
            with pytest.raises(WSManFaultError) as caught:
                run(shell, "echo", ["two"])
            assert caught.value.code == 2150859174


def test_a_stranger_is_told_nothing_where_the_host_is_told_so(start_host):
    from test_wire import IDENTIFY, SOAP

    with start_host("--no-unauthenticated-identify") as host, requests.Session() as session:
        session.trust_env = False
        url = f"http://127.0.0.1:{host.http_port}/wsman"
        answer = session.post(url, data=IDENTIFY, headers=SOAP | {"WSMANIDENTIFY": "unauthenticated"})
        assert answer.status_code == 401
