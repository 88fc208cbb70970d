"""Shells that are left, found again and gone on with, as pypsrp does it."""

import xml.etree.ElementTree as ET

import pytest
from conftest import PASSWORD
from pypsrp.exceptions import WSManFaultError
from pypsrp.powershell import RunspacePool
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import NAMESPACES, SelectorSet
from test_pypsrp import connect, run

DISCONNECTED = 2150859204
SESSION_MISMATCH = 2150859206


def selectors(shell):
    """The selectors that name a shell."""
    selector_set = SelectorSet()
    selector_set.add_option("ShellId", shell.id)
    return selector_set


def leave(wsman, shell):
    """Disconnects from a shell."""
    body = ET.Element("{%s}Disconnect" % NAMESPACES["rsp"])
    wsman.disconnect(shell.resource_uri, body, selector_set=selectors(shell))


def come_back(wsman, shell):
    """Reconnects to a shell."""
    body = ET.Element("{%s}Reconnect" % NAMESPACES["rsp"])
    wsman.reconnect(shell.resource_uri, body, selector_set=selectors(shell))


def test_a_shell_is_left_and_come_back_to(host):
    with connect(host, "negotiate-http") as wsman, WinRS(wsman) as shell:
        process = Process(shell, "more")
        process.begin_invoke()
        leave(wsman, shell)
        with pytest.raises(WSManFaultError) as caught:
            process.send(b"too early\r\n", end=True)
        assert caught.value.code == DISCONNECTED
        come_back(wsman, shell)
        process.send(b"hello\r\n", end=True)
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
        assert (process.stdout.strip(), process.rc) == (b"hello", 0)


def test_another_session_cannot_come_back_to_a_shell(host):
    with connect(host, "negotiate-http") as wsman, WinRS(wsman) as shell:
        leave(wsman, shell)
        with connect(host, "negotiate-http") as other:
            with pytest.raises(WSManFaultError) as caught:
                come_back(other, shell)
            assert caught.value.code == SESSION_MISMATCH
        come_back(wsman, shell)


def test_shells_and_their_commands_are_listed(start_host):
    with start_host() as host, connect(host, "negotiate-http") as wsman:
        with WinRS(wsman) as one, WinRS(wsman) as two:
            process = Process(one, "more")
            process.begin_invoke()
            pools = {pool.id.upper(): pool for pool in RunspacePool.get_runspace_pools(wsman)}
            assert set(pools) == {one.id.upper(), two.id.upper()}
            assert list(pools[one.id.upper()].pipelines) == [process.id]
            assert not pools[two.id.upper()].pipelines
            process.signal(SignalCode.TERMINATE)
        assert not RunspacePool.get_runspace_pools(wsman)


def test_a_shell_is_described(host):
    with connect(host, "negotiate-http") as wsman, WinRS(wsman) as shell:
        answer = wsman.get("http://schemas.microsoft.com/wbem/wsman/1/windows/shell", selector_set=selectors(shell))
        described = answer.find("rsp:Shell", NAMESPACES)
        assert described.find("rsp:ShellId", NAMESPACES).text == shell.id
        assert described.find("rsp:State", NAMESPACES).text == "Connected"


def adopt(wsman, shell, process):
    """The same shell and command in the hands of another client."""
    other = WinRS(wsman)
    other.id, other.opened, other._selector_set = shell.id, True, shell._selector_set
    command = Process(other, process.executable)
    command.id, command.state = process.id, process.state
    return other, command


def test_a_client_goes_on_where_another_stopped(host):
    with connect(host, "negotiate-http") as first:
        shell = WinRS(first)
        shell.open()
        process = Process(shell, "more")
        process.begin_invoke()
        process.send(b"one\r\n", end=False)
    with connect(host, "ntlm-http") as second:
        shell, process = adopt(second, shell, process)
        process.send(b"two\r\n", end=True)
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
        assert (process.stdout.strip(), process.rc) == (b"one\r\ntwo", 0)
        assert run(shell, "echo", ["three"]).stdout == b"three\r\n"
        shell.close()


def test_another_user_cannot_go_on(start_host):
    with start_host("--user", "Operator") as host:
        with connect(host, "negotiate-http") as first, WinRS(first) as shell:
            process = Process(shell, "more")
            process.begin_invoke()
            with connect(host, "negotiate-http", username="Operator", password=PASSWORD) as second:
                _, taken = adopt(second, shell, process)
                with pytest.raises(WSManFaultError) as caught:
                    taken.poll_invoke()
                assert caught.value.code == 5
            process.signal(SignalCode.TERMINATE)

