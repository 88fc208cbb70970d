"""What a program that embeds the engine sees."""

import asyncio
import os
import pickle
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta, timezone

import pytest

import opsconductor as oc

ECHO = {"properties": {"text": {"type": "string"}}, "required": ["text"]}


def job(kind="test.echo", name="Echo", **members):
    return {"name": name, "version": 1, "steps": [{"type": kind, **members}]}


@pytest.fixture
def engine():
    with oc.Engine.memory() as engine:
        yield engine


def test_a_sealed_record_opens_in_its_place_and_moves_to_another_key():
    one, two = oc.generate_key(), oc.generate_key()
    context = {"tenant": "default", "id": "7"}
    sealed = oc.Vault(keys={"k1": one}).seal(b"hunter2", context=context)
    vault = oc.Vault(keys={"k1": one, "k2": two}, current="k2")
    assert vault.open(sealed, context=context) == b"hunter2"
    with pytest.raises(oc.VaultError):
        vault.open(sealed, context={"tenant": "other"})
    moved = vault.rewrap(sealed, context=context)
    assert oc.Vault(keys={"k2": two}).open(moved, context=context) == b"hunter2"
    assert one not in repr(vault)
    with pytest.raises(oc.VaultError):
        oc.Vault("no key")


def test_templates_are_rendered_for_their_sink():
    assert oc.render("Restart-Service {{ svc }}", {"svc": "Spooler"}) == "Restart-Service Spooler"
    with pytest.raises(oc.TemplateError) as caught:
        oc.render("Restart-Service {{ svc }}", {"svc": "a; Stop-Computer"})
    assert caught.value.kind == "template" and "Stop-Computer" not in str(caught.value)
    assert oc.Template("{{ a }}", sink="text").render({"a": 1}) == "1"
    with pytest.raises(TypeError, match="params.*/a.*set"):
        oc.render("{{ a }}", {"a": {1}})


def test_definitions_are_checked_from_dicts_and_text():
    assert oc.validate_job("name: Wait\nversion: 1\nsteps:\n  - type: sleep\n    durationSec: 1\n") == []
    assert [problem.pointer for problem in oc.validate_job(job("nothing.known"))] == ["/steps/0/type"]
    assert oc.validate_job('{"name": "a", "name": "b", "version": 1, "steps": []}')


def test_times_to_come_are_told_through_changes_of_the_clocks():
    after = datetime(2026, 10, 24, 23, tzinfo=timezone(timedelta(hours=2)))
    fires = oc.next_fires("30 2 * * *", "Europe/Berlin", after, 2)
    assert [fire.isoformat() for fire in fires] == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]
    for cron, zone in [("0 0 31 2 *", "UTC"), ("* * * *", "UTC"), ("@daily", "Europe/Berln")]:
        with pytest.raises(oc.ScheduleError):
            oc.next_fires(cron, zone, after, 1)
    with pytest.raises(ValueError, match="after.*time zone"):
        oc.next_fires("@daily", "UTC", datetime(2026, 1, 1), 1)


def test_passwords_are_hashed_and_those_of_the_python_system_hold():
    assert oc.verify_password("right", oc.hash_password("right"))
    assert oc.verify_password("U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
    assert not oc.verify_password("wrong", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")


def test_a_step_kind_written_in_python_runs(engine):
    @engine.step("test.echo", schema=ECHO)
    def echo(ctx, step):
        ctx.log("beforehand\n")
        return step["text"]

    engine.jobs.create(job(text="{{ word }}"))
    with engine.worker(concurrency=2):
        run = engine.run("Echo", {"word": "hello"}, idempotency_key="once")
        assert engine.run("Echo", {"word": "hello"}, idempotency_key="once").id == run.id
        result = run.wait(timeout=60)
    assert result.status == "succeeded"
    assert result.steps[0].type == "test.echo" and "hello" in result.steps[0].stdout
    assert [event.type for event in run.events()][-1] == "run.finished"
    assert engine.audit.verify().ok


def test_what_a_step_raises_fails_it_with_the_traceback(engine):
    @engine.step("test.echo", schema=ECHO)
    async def broken(ctx, step):
        raise ValueError("no such thing")

    engine.jobs.create(job(text="x"))
    with engine.worker():
        result = engine.run("Echo").wait(timeout=60)
    assert result.status == "failed"
    assert "no such thing" in result.steps[0].error and "Traceback" in result.steps[0].stderr


def test_a_step_that_never_returns_has_a_time_out(engine):
    @engine.step("test.echo", schema=ECHO)
    def stuck(ctx, step):
        while not ctx.is_stopped:
            ctx._stopped.wait(60)

    engine.jobs.create(job(text="x", timeoutSec=1))
    with engine.worker():
        result = engine.run("Echo").wait(timeout=60)
    assert result.status == "failed" and "timeoutSec" in result.steps[0].error


def test_the_same_on_asyncio(tmp_path):
    async def main():
        async with await oc.Engine.sqlite_async(tmp_path / "ops.db", key=oc.generate_key()) as engine:

            @engine.step("test.echo", schema=ECHO)
            async def echo(ctx, step):
                await asyncio.sleep(0)
                return step["text"]

            await engine.jobs.create_async(job(text="hello"))
            async with engine.worker():
                run = await engine.run_async("Echo")
                result = await run.wait_async(timeout=60)
                events = [event.type async for event in run.events_async()]
            return result.status, events[-1]

    assert asyncio.run(main()) == ("succeeded", "run.finished")


def test_things_are_made_found_changed_and_removed(engine):
    made = engine.credentials.create(name="win", type="winrm", data={"username": "u", "password": "hunter2"})
    assert "hunter2" not in repr(made)
    assert engine.credentials.rotate("win", data={"username": "u", "password": "other"}).version == 2
    target = engine.targets.create(name="web-1", hostname="127.0.0.1", protocol="winrm", port=1, credential="win", tags=["role:web"])
    assert target.credential_id == made.id and target.created_at.tzinfo is not None
    assert engine.targets.update(target.id, tags=["role:db"]).credential_id == made.id
    assert [found.name for found in engine.targets.list(tags=["role:db"])] == ["web-1"]
    report = engine.targets.test("web-1")
    assert not report.ok and report.layer == "connect"
    with pytest.raises(oc.Conflict):
        engine.credentials.delete("win")
    engine.targets.delete("web-1")
    engine.credentials.delete(made.id)
    with pytest.raises(oc.NotFound):
        engine.credentials.get("win")
    with pytest.raises(oc.InvalidJob) as caught:
        engine.jobs.create(job("nothing.known"))
    assert caught.value.problems[0].pointer == "/steps/0/type"


def test_a_viewer_may_not_write(engine):
    engine.users.create(name="ann", email="ann@example.com", password="correct horse battery", role="viewer")
    with pytest.raises(oc.Forbidden):
        engine.scope(user="ann").jobs.create(job("sleep", durationSec=1))
    engine.create_tenant("acme")
    assert engine.scope(tenant="acme").jobs.list().total == 0


def test_bad_input_is_named(engine):
    with pytest.raises(TypeError, match="target: a name"):
        engine.targets.get(1.5)
    engine.credentials.create(name="key", type="api_key", data={"api_key": "x"})
    with pytest.raises(ValueError, match="time zone"):
        engine.credentials.update("key", expires_at=datetime(2030, 1, 1))
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(engine)


def test_a_wait_has_a_limit_and_a_run_is_canceled(engine):
    engine.jobs.create(job("sleep", name="Wait", durationSec=3600))
    run = engine.run("Wait")
    with pytest.raises(TimeoutError) as caught:
        run.wait(timeout=0.05)
    assert isinstance(caught.value, oc.Timeout)
    run.cancel()
    assert run.wait(timeout=60).status == "canceled"


def test_a_closed_engine_says_so():
    engine = oc.Engine.memory()
    engine.close()
    with pytest.raises(oc.ClosedError):
        engine.jobs.list()


def test_two_engines_work_on_one_file(tmp_path):
    path, key = tmp_path / "ops.db", oc.generate_key()
    with oc.Engine.sqlite(path, key=key) as one, oc.Engine.sqlite(path, key=key) as two:
        one.jobs.create(job("sleep", name="Wait", durationSec=3600))
        assert two.jobs.get("Wait").version == 1


def python(program):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, env=os.environ)


def test_the_interpreter_ends_while_a_worker_runs():
    done = python("""
        import opsconductor as oc
        engine = oc.Engine.memory()
        worker = engine.worker().start()
    """)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_fork_is_noticed():
    done = python("""
        import os, opsconductor as oc
        engine = oc.Engine.memory()
        child = os.fork()
        if child == 0:
            try:
                engine.jobs.list()
            except oc.Error as error:
                os._exit(7 if error.kind == "forked" else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    """)
    assert done.returncode == 0, done.stderr


def test_control_c_interrupts_a_wait():
    done = python("""
        import signal, threading, os, opsconductor as oc
        # A shell starts what it runs in the background with the signal ignored, and its children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        engine = oc.Engine.memory()
        engine.jobs.create({"name": "Wait", "version": 1, "steps": [{"type": "sleep", "durationSec": 3600}]})
        run = engine.run("Wait")
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            run.wait(timeout=50)
        except KeyboardInterrupt:
            print("interrupted")
    """)
    assert done.stdout == "interrupted\n", done.stderr
