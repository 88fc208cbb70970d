"""pywinrm drives the simulated host: NTLM with message encryption over HTTP, and Basic over TLS."""

import time

import pytest
import winrm
from conftest import PASSWORD, USER
from winrm.exceptions import InvalidCredentialsError, WinRMOperationTimeoutError, WSManFaultError
from winrm.protocol import Protocol

UTF8 = 65001


def protocol(host, transport, **options):
    """A client for one of the two ways in."""
    settings = {"username": USER, "password": PASSWORD, "read_timeout_sec": 40, "operation_timeout_sec": 30}
    if transport == "ntlm":
        settings |= {
            "endpoint": f"http://127.0.0.1:{host.http_port}/wsman",
            "transport": "ntlm",
            "message_encryption": "always",
        }
    else:
        settings |= {
            "endpoint": f"https://127.0.0.1:{host.https_port}/wsman",
            "transport": transport.removesuffix("-tls"),
            "ca_trust_path": host.certificate_file,
        }
    return Protocol(proxy=None, **(settings | options))


@pytest.fixture(params=["ntlm", "ntlm-tls", "basic"])
def client(request, host):
    """A client by each way in."""
    client = protocol(host, request.param)
    yield client
    client.transport.close_session()


@pytest.fixture
def shell(client):
    """An open shell of that client, closed afterwards."""
    shell = client.open_shell(codepage=UTF8)
    yield shell
    client.close_shell(shell)


def run(client, shell, command, arguments=(), stdin=None, **options):
    """Runs a command to its end: standard output, standard error, exit code."""
    command_id = client.run_command(shell, command, arguments, **options)
    try:
        if stdin is not None:
            client.send_command_input(shell, command_id, stdin, end=True)
        return client.get_command_output(shell, command_id)
    finally:
        client.cleanup_command(shell, command_id)


def test_a_command_runs(client, shell):
    assert run(client, shell, "echo", ["hello"]) == (b"hello\r\n", b"", 0)


def test_standard_error_comes_apart_from_standard_output(client, shell):
    out, err, code = run(client, shell, "no-such-program")
    assert out == b""
    assert b"'no-such-program' is not recognized" in err
    assert code != 0


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_exit_codes_arrive_as_the_command_gave_them(client, shell, code):
    assert run(client, shell, "exit", [str(code)])[2] == code


def test_unicode_survives_both_ways(client, shell):
    text = "größer 東京 Ελλάδα 🙂"
    assert run(client, shell, "echo", [text])[0].decode("utf-8") == f"{text}\r\n"


def test_unicode_survives_pieces_that_end_inside_a_character(splitting_host):
    client = protocol(splitting_host, "ntlm")
    shell = client.open_shell(codepage=UTF8)
    text = "größer 東京 Ελλάδα 🙂 " * 20
    assert run(client, shell, "echo", [text])[0].decode("utf-8") == f"{text}\r\n"
    client.close_shell(shell)


def test_standard_input_arrives(client, shell):
    assert run(client, shell, "more", stdin=b"one\r\ntwo\r\n")[0].split() == [b"one", b"two"]


def test_a_hundred_kilobytes_of_standard_input_arrive(client, shell):
    data = b"".join(f"line {number:06}\r\n".encode() for number in range(8000))
    assert len(data) > 100 * 1024
    # It reads all of its input before it writes: nobody receives while this client sends.
    script = '"$all = [Console]::In.ReadToEnd(); [Console]::Out.Write($all)"'
    out, _, code = run(client, shell, "powershell.exe", ["-NoProfile", "-Command", script], stdin=data)
    assert (out, code) == (data, 0)


def test_a_silent_command_is_waited_for_across_time_outs(host):
    client = protocol(host, "ntlm", operation_timeout_sec=1, read_timeout_sec=10)
    shell = client.open_shell()
    command = client.run_command(shell, "powershell.exe", ["-NoProfile", "-Command", '"Start-Sleep -Seconds 3; \'up\'"'])
    started = time.monotonic()
    with pytest.raises(WinRMOperationTimeoutError):
        client.get_command_output_raw(shell, command)
    assert time.monotonic() - started >= 0.9
    out, _, code = client.get_command_output(shell, command)
    assert (out, code) == (b"up\r\n", 0)
    client.cleanup_command(shell, command)
    client.close_shell(shell)


@pytest.mark.parametrize("transport", ["ntlm", "ntlm-tls", "basic"])
def test_a_wrong_password_is_refused(host, transport):
    client = protocol(host, transport, password="wrong")
    with pytest.raises(InvalidCredentialsError):
        client.open_shell()
    client.transport.close_session()


def test_two_shells_do_not_see_each_other(client):
    one = client.open_shell(env_vars={"WHICH": "one"})
    two = client.open_shell(env_vars={"WHICH": "two"})
    assert one != two
    assert run(client, one, "echo", ["%WHICH%"])[0] == b"one\r\n"
    assert run(client, two, "echo", ["%WHICH%"])[0] == b"two\r\n"
    command = client.run_command(one, "echo", ["one"])
    with pytest.raises(WSManFaultError):
        client.get_command_output(two, command)
    client.close_shell(one, close_session=False)
    assert run(client, two, "echo", ["still here"])[0] == b"still here\r\n"
    client.close_shell(two)


def test_a_closed_shell_is_reported_with_its_number(client):
    shell = client.open_shell()
    client.close_shell(shell, close_session=False)
    with pytest.raises(WSManFaultError) as caught:
        client.run_command(shell, "echo", ["hello"])
    assert caught.value.wsman_fault_code == 2150858843


def test_the_session_class_runs_powershell(host):
    session = winrm.Session(
        f"http://127.0.0.1:{host.http_port}/wsman",
        auth=(USER, PASSWORD),
        transport="ntlm",
        message_encryption="always",
        proxy=None,
    )
    result = session.run_ps("$env:COMPUTERNAME; exit 3")
    assert (result.std_out, result.status_code) == (b"WEB-1\r\n", 3)
    # Windows PowerShell reports its progress on standard error; an error it must not report.
    assert b'S="Error"' not in result.std_err
    session.protocol.transport.close_session()


def test_an_account_is_locked_after_wrong_passwords(start_host):
    with start_host("--lockout", "2") as host:
        for password in ["wrong", "wrong", PASSWORD]:
            client = protocol(host, "ntlm", password=password)
            with pytest.raises(InvalidCredentialsError):
                client.open_shell()
            client.transport.close_session()
