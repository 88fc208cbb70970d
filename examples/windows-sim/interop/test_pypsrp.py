"""pypsrp drives the simulated host: Negotiate (SPNEGO), sealed over HTTP and over HTTPS, and NTLM alone."""

import time

import pytest
from conftest import PASSWORD, USER
from pypsrp.exceptions import AuthenticationError, WSManFaultError
from pypsrp.shell import CommandState, Process, SignalCode, WinRS
from pypsrp.wsman import WSMan

WAYS = {
    "negotiate-http": {"ssl": False, "auth": "negotiate"},
    "ntlm-http": {"ssl": False, "auth": "ntlm"},
    "negotiate-https": {"ssl": True, "auth": "negotiate"},
    "negotiate-https-sealed": {"ssl": True, "auth": "negotiate", "encryption": "always"},
    "basic-https": {"ssl": True, "auth": "basic"},
}


def connect(host, way, **options):
    """A connection by one of the ways in."""
    settings = {"username": USER, "password": PASSWORD, "no_proxy": True, **WAYS[way]}
    if settings["ssl"]:
        settings |= {"port": host.https_port, "cert_validation": host.certificate_file}
    else:
        settings |= {"port": host.http_port}
    return WSMan("127.0.0.1", **(settings | options))


@pytest.fixture(params=WAYS)
def wsman(request, host):
    """A connection by each way in."""
    with connect(host, request.param) as connection:
        yield connection


@pytest.fixture
def shell(wsman):
    """An open shell, closed afterwards."""
    with WinRS(wsman, codepage=65001) as shell:
        yield shell


def run(shell, executable, arguments=None, stdin=None):
    """Runs a command to its end and ends it."""
    process = Process(shell, executable, arguments)
    process.begin_invoke()
    if stdin is not None:
        process.send(stdin, end=True)
    process.end_invoke()
    process.signal(SignalCode.TERMINATE)
    return process


def test_a_command_runs(shell):
    process = run(shell, "echo", ["hello"])
    assert (process.stdout, process.stderr, process.rc) == (b"hello\r\n", b"", 0)


def test_standard_error_and_exit_codes(shell):
    process = run(shell, "no-such-program")
    assert b"is not recognized" in process.stderr
    assert process.rc != 0
    assert run(shell, "exit", ["3"]).rc == 3


def test_unicode_survives(shell):
    text = "größer 東京 Ελλάδα 🙂"
    assert run(shell, "echo", [text]).stdout.decode("utf-8") == f"{text}\r\n"


def test_standard_input_in_several_messages(shell):
    data = b"".join(f"line {number:06}\r\n".encode() for number in range(8000))
    script = '"$all = [Console]::In.ReadToEnd(); [Console]::Out.Write($all)"'
    process = Process(shell, "powershell.exe", ["-NoProfile", "-Command", script])
    process.begin_invoke()
    for start in range(0, len(data), 30_000):
        process.send(data[start : start + 30_000], end=start + 30_000 >= len(data))
    process.end_invoke()
    process.signal(SignalCode.TERMINATE)
    assert (process.stdout, process.rc) == (data, 0)


def test_a_silent_command_is_waited_for_across_time_outs(host):
    with connect(host, "negotiate-http", operation_timeout=1) as wsman, WinRS(wsman) as shell:
        process = Process(shell, "powershell.exe", ["-NoProfile", "-Command", '"Start-Sleep -Seconds 3; \'up\'"'])
        process.begin_invoke()
        started = time.monotonic()
        process.poll_invoke()
        assert (process.state, process.stdout) == (CommandState.PENDING, b"")
        assert time.monotonic() - started >= 0.9
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
        assert (process.stdout, process.rc) == (b"up\r\n", 0)


def test_ctrl_c_ends_a_command_with_the_code_windows_gives(host):
    with connect(host, "negotiate-http") as wsman, WinRS(wsman) as shell:
        process = Process(shell, "powershell.exe", ["-NoProfile", "-Command", '"Start-Sleep -Seconds 60"'])
        process.begin_invoke()
        process.signal(SignalCode.CTRL_C)
        process.end_invoke()
        assert process.rc & 0xFFFFFFFF == 0xC000013A
        process.signal(SignalCode.TERMINATE)
        with pytest.raises(WSManFaultError):
            process.poll_invoke()


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_password_is_refused(host, way):
    with connect(host, way, password="wrong") as wsman, pytest.raises(AuthenticationError):
        WinRS(wsman).open()


def test_two_shells_on_two_connections(host):
    with connect(host, "negotiate-http") as first, connect(host, "negotiate-https") as second:
        with WinRS(first) as one, WinRS(second) as two:
            assert one.id != two.id
            assert run(one, "echo", ["one"]).stdout == b"one\r\n"
            assert run(two, "echo", ["two"]).stdout == b"two\r\n"


def test_a_shell_says_whose_it_is(host):
    with connect(host, "negotiate-http") as wsman, WinRS(wsman, idle_time_out=60) as shell:
        assert shell.owner == f"WEB-1\\{USER}"
        assert shell.client_ip == "127.0.0.1"
        assert shell.idle_time_out == "PT60.000S"


def test_channel_bindings_are_required_where_the_host_says_so(start_host):
    with start_host("--require-channel-binding") as host:
        with connect(host, "negotiate-https") as wsman, WinRS(wsman) as shell:
            assert run(shell, "echo", ["bound"]).stdout == b"bound\r\n"
        with connect(host, "negotiate-https", negotiate_send_cbt=False) as wsman:
            with pytest.raises(AuthenticationError):
                WinRS(wsman).open()


def test_thirty_shells_are_the_limit(start_host):
    with start_host() as host, connect(host, "negotiate-http") as wsman:
        shells = [WinRS(wsman) for _ in range(31)]
        for shell in shells[:30]:
            shell.open()
        with pytest.raises(WSManFaultError) as caught:
            shells[30].open()
        assert caught.value.code == 2150859173
        shells[0].close()
        shells[30].open()
        for shell in shells:
            shell.close()
