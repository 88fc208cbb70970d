"""The engine."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

from . import _core, _logging
from ._calls import Call, aware, nothing, ref, text
from ._errors import NotPickled, Problem
from ._records import AuditReport, Credential, Event, Job, Page, ProbeReport, RunInfo, RunResult, StepResult, Target, Tenant, User, page, result
from ._steps import PythonStep

Name = str | int
Function = TypeVar("Function", bound=Callable[..., Any])
KEEP: Any = object()
RUNNING: weakref.WeakSet[Worker]


class Run(NotPickled):
    """A run that was enqueued. It goes on whether or not anyone holds this."""

    def __init__(self, native: _core.RunHandle) -> None:
        self._native = native

    @property
    def id(self) -> int:
        """Its number."""
        return self._native.id

    def _wait(self, timeout: float | None) -> Call[RunResult]:
        return Call(self._native.wait(timeout), result)

    def wait(self, timeout: float | None = None) -> RunResult:
        """Waits until the run has ended, at most `timeout` seconds; without one, for as long as it takes.

        Raises:
            Timeout: it had not ended; it goes on.
        """
        return self._wait(timeout).wait()

    async def wait_async(self, timeout: float | None = None) -> RunResult:
        """As `wait`, on asyncio."""
        return await self._wait(timeout)

    def result(self) -> RunResult:
        """The run and its steps as they stand."""
        return Call(self._native.result(), result).wait()

    async def result_async(self) -> RunResult:
        """As `result`, on asyncio."""
        return await Call(self._native.result(), result)

    def info(self) -> RunInfo:
        """The run as it stands, without its steps."""
        return Call(self._native.record(), lambda given: RunInfo(**given)).wait()

    async def info_async(self) -> RunInfo:
        """As `info`, on asyncio."""
        return await Call(self._native.record(), lambda given: RunInfo(**given))

    def steps(self, *, skip: int = 0, limit: int = 100) -> Page[StepResult]:
        """A part of the steps, with their output."""
        return Call(self._native.steps(skip, limit), page(StepResult)).wait()

    async def steps_async(self, *, skip: int = 0, limit: int = 100) -> Page[StepResult]:
        """As `steps`, on asyncio."""
        return await Call(self._native.steps(skip, limit), page(StepResult))

    def events(self, *, after: int = 0) -> Iterator[Event]:
        """What happened after the event with number `after`, and what happens until the run ends."""
        events = self._native.events(after)
        while (given := events.next().wait()) is not None:
            yield Event(**given)

    async def events_async(self, *, after: int = 0) -> AsyncIterator[Event]:
        """As `events`, on asyncio: `async for event in run.events_async()`."""
        events = self._native.events(after)
        while (given := await events.next().future()) is not None:
            yield Event(**given)

    def cancel(self) -> None:
        """Cancels it: what waits is aborted at once, what runs is stopped. `wait` returns when it has been done."""
        Call(self._native.cancel(), nothing).wait()

    async def cancel_async(self) -> None:
        """As `cancel`, on asyncio."""
        await Call(self._native.cancel(), nothing)

    def __repr__(self) -> str:
        return f"<opsconductor.Run id={self.id}>"


class Worker(NotPickled):
    """A worker in this process, as a context manager: at the end of the block it lets running steps finish."""

    def __init__(self, engine: Engine, concurrency: int, drain: float) -> None:
        self._start = lambda: Call(engine._native.worker(concurrency, drain), self._started)
        self._native: _core.WorkerHandle | None = None

    def _started(self, native: _core.WorkerHandle) -> None:
        self._native = native
        RUNNING.add(self)

    def _stop(self, limit: float | None = None) -> Call[None] | None:
        native, self._native = self._native, None
        return None if native is None else Call(native.shutdown(limit), nothing)

    def start(self) -> Worker:
        """Starts it; `with` does so."""
        if self._native is None:
            self._start().wait()
        return self

    def stop(self) -> None:
        """Takes no more steps, and waits until those that run have ended."""
        call = self._stop()
        if call is not None:
            call.wait()

    async def start_async(self) -> Worker:
        """As `start`, on asyncio."""
        if self._native is None:
            await self._start()
        return self

    async def stop_async(self) -> None:
        """As `stop`, on asyncio."""
        call = self._stop()
        if call is not None:
            await call

    def __enter__(self) -> Worker:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    async def __aenter__(self) -> Worker:
        return await self.start_async()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop_async()


RUNNING = weakref.WeakSet()


def at_exit() -> None:
    """Workers that still run are stopped before the interpreter goes."""
    for worker in list(RUNNING):
        call = worker._stop(5.0)
        if call is not None:
            call.wait()
    _core.stop()


atexit.register(at_exit)


class Part(NotPickled):
    """A part of an engine's calls."""

    def __init__(self, ops: _core.Ops) -> None:
        self._ops = ops


class Credentials(Part):
    """Credentials of the tenant."""

    def _create(self, name: str, type: str, data: Mapping[str, str]) -> Call[Credential]:
        return Call(self._ops.credential_create(text("name", name), text("type", type), dict(data)), lambda given: Credential(**given))

    def create(self, *, name: str, type: str, data: Mapping[str, str]) -> Credential:
        """Seals `data` and stores it. `type` is `winrm`, `ssh` or `api_key`."""
        return self._create(name, type, data).wait()

    async def create_async(self, *, name: str, type: str, data: Mapping[str, str]) -> Credential:
        """As `create`, on asyncio."""
        return await self._create(name, type, data)

    def _rotate(self, credential: Name, data: Mapping[str, str]) -> Call[Credential]:
        return Call(self._ops.credential_rotate(ref("credential", credential), dict(data)), lambda given: Credential(**given))

    def rotate(self, credential: Name, *, data: Mapping[str, str]) -> Credential:
        """Seals `data` as a new version. Steps that are sent from now on use it."""
        return self._rotate(credential, data).wait()

    async def rotate_async(self, credential: Name, *, data: Mapping[str, str]) -> Credential:
        """As `rotate`, on asyncio."""
        return await self._rotate(credential, data)

    def _update(self, credential: Name, expires_at: datetime | None) -> Call[Credential]:
        return Call(self._ops.credential_set_expiry(ref("credential", credential), None if expires_at is None else aware("expires_at", expires_at)), lambda given: Credential(**given))

    def update(self, credential: Name, *, expires_at: datetime | None) -> Credential:
        """Says until when it is good; None: for good. The secret is changed with `rotate`."""
        return self._update(credential, expires_at).wait()

    async def update_async(self, credential: Name, *, expires_at: datetime | None) -> Credential:
        """As `update`, on asyncio."""
        return await self._update(credential, expires_at)

    def _get(self, credential: Name) -> Call[Credential]:
        return Call(self._ops.credential_get(ref("credential", credential)), lambda given: Credential(**given))

    def get(self, credential: Name) -> Credential:
        """One, by its name or id."""
        return self._get(credential).wait()

    async def get_async(self, credential: Name) -> Credential:
        """As `get`, on asyncio."""
        return await self._get(credential)

    def _list(self, skip: int, limit: int) -> Call[Page[Credential]]:
        return Call(self._ops.credential_list(skip, limit), page(Credential))

    def list(self, *, skip: int = 0, limit: int = 100) -> Page[Credential]:
        """A part of them, newest first; `total` of the answer says how many there are."""
        return self._list(skip, limit).wait()

    async def list_async(self, *, skip: int = 0, limit: int = 100) -> Page[Credential]:
        """As `list`, on asyncio."""
        return await self._list(skip, limit)

    def _delete(self, credential: Name) -> Call[None]:
        return Call(self._ops.credential_delete(ref("credential", credential)), nothing)

    def delete(self, credential: Name) -> None:
        """Removes one, by its name or id."""
        return self._delete(credential).wait()

    async def delete_async(self, credential: Name) -> None:
        """As `delete`, on asyncio."""
        return await self._delete(credential)


class Targets(Part):
    """Targets of the tenant."""

    def _create(self, name: str, hostname: str, protocol: str, port: int | None, credential: Name | None, tags: Sequence[str], metadata: Mapping[str, Any] | None, depends_on: Sequence[Name]) -> Call[Target]:
        return Call(self._ops.target_create(fields(name, hostname, protocol, port, credential, tags, depends_on), None if metadata is None else dict(metadata)), lambda given: Target(**given))

    def create(self, *, name: str, hostname: str, protocol: str, port: int | None = None, credential: Name | None = None, tags: Sequence[str] = (), metadata: Mapping[str, Any] | None = None, depends_on: Sequence[Name] = ()) -> Target:
        """Stores a target. `protocol` is `winrm`, `ssh` or `http`; without a port it has the usual one."""
        return self._create(name, hostname, protocol, port, credential, tags, metadata, depends_on).wait()

    async def create_async(self, *, name: str, hostname: str, protocol: str, port: int | None = None, credential: Name | None = None, tags: Sequence[str] = (), metadata: Mapping[str, Any] | None = None, depends_on: Sequence[Name] = ()) -> Target:
        """As `create`, on asyncio."""
        return await self._create(name, hostname, protocol, port, credential, tags, metadata, depends_on)

    def _update(self, target: Name, name: str | None, hostname: str | None, protocol: str | None, port: int | None, credential: Name | None, tags: Sequence[str] | None, metadata: Mapping[str, Any] | None, depends_on: Sequence[Name] | None) -> Call[Target]:
        return Call(self._ops.target_update(ref("target", target), fields(name, hostname, protocol, port, credential, tags, depends_on), None if metadata is None else dict(metadata)), lambda given: Target(**given))

    def update(self, target: Name, *, name: str | None = None, hostname: str | None = None, protocol: str | None = None, port: int | None = None, credential: Name | None = KEEP, tags: Sequence[str] | None = None, metadata: Mapping[str, Any] | None = None, depends_on: Sequence[Name] | None = None) -> Target:
        """Changes what is given of a target."""
        return self._update(target, name, hostname, protocol, port, credential, tags, metadata, depends_on).wait()

    async def update_async(self, target: Name, *, name: str | None = None, hostname: str | None = None, protocol: str | None = None, port: int | None = None, credential: Name | None = KEEP, tags: Sequence[str] | None = None, metadata: Mapping[str, Any] | None = None, depends_on: Sequence[Name] | None = None) -> Target:
        """As `update`, on asyncio."""
        return await self._update(target, name, hostname, protocol, port, credential, tags, metadata, depends_on)

    def _test(self, target: Name) -> Call[ProbeReport]:
        return Call(self._ops.target_test(ref("target", target)), lambda given: ProbeReport(**given))

    def test(self, target: Name) -> ProbeReport:
        """Really connects, and says what it found or which layer failed."""
        return self._test(target).wait()

    async def test_async(self, target: Name) -> ProbeReport:
        """As `test`, on asyncio."""
        return await self._test(target)

    def _get(self, target: Name) -> Call[Target]:
        return Call(self._ops.target_get(ref("target", target)), lambda given: Target(**given))

    def get(self, target: Name) -> Target:
        """One, by its name or id."""
        return self._get(target).wait()

    async def get_async(self, target: Name) -> Target:
        """As `get`, on asyncio."""
        return await self._get(target)

    def _list(self, tags: Sequence[str], skip: int, limit: int) -> Call[Page[Target]]:
        return Call(self._ops.target_list([*tags], skip, limit), page(Target))

    def list(self, *, tags: Sequence[str] = (), skip: int = 0, limit: int = 100) -> Page[Target]:
        """A part of them, newest first; `total` of the answer says how many there are."""
        return self._list(tags, skip, limit).wait()

    async def list_async(self, *, tags: Sequence[str] = (), skip: int = 0, limit: int = 100) -> Page[Target]:
        """As `list`, on asyncio."""
        return await self._list(tags, skip, limit)

    def _delete(self, target: Name) -> Call[None]:
        return Call(self._ops.target_delete(ref("target", target)), nothing)

    def delete(self, target: Name) -> None:
        """Removes one, by its name or id."""
        return self._delete(target).wait()

    async def delete_async(self, target: Name) -> None:
        """As `delete`, on asyncio."""
        return await self._delete(target)


class Jobs(Part):
    """Jobs of the tenant."""

    def _create(self, definition: Mapping[str, Any] | str, name: str | None, is_active: bool | None) -> Call[Job]:
        return Call(self._ops.job_create(definition, name, is_active), lambda given: Job(**given))

    def create(self, definition: Mapping[str, Any] | str, *, name: str | None = None, is_active: bool | None = None) -> Job:
        """Checks a definition (a dict, or a text in JSON or YAML) and saves it. Raises `InvalidJob` with every problem."""
        return self._create(definition, name, is_active).wait()

    async def create_async(self, definition: Mapping[str, Any] | str, *, name: str | None = None, is_active: bool | None = None) -> Job:
        """As `create`, on asyncio."""
        return await self._create(definition, name, is_active)

    def _update(self, job: Name, definition: Mapping[str, Any] | str | None, name: str | None, is_active: bool | None) -> Call[Job]:
        return Call(self._ops.job_update(ref("job", job), definition, name, is_active), lambda given: Job(**given))

    def update(self, job: Name, definition: Mapping[str, Any] | str | None = None, *, name: str | None = None, is_active: bool | None = None) -> Job:
        """Saves a definition as a new version, renames the job, or lets it be run or not."""
        return self._update(job, definition, name, is_active).wait()

    async def update_async(self, job: Name, definition: Mapping[str, Any] | str | None = None, *, name: str | None = None, is_active: bool | None = None) -> Job:
        """As `update`, on asyncio."""
        return await self._update(job, definition, name, is_active)

    def _validate(self, definition: Mapping[str, Any] | str) -> Call[Sequence[Problem]]:
        return Call(self._ops.job_validate(definition), lambda given: [Problem(*one) for one in given])

    def validate(self, definition: Mapping[str, Any] | str) -> Sequence[Problem]:
        """Every problem of a definition, as `create` would find them."""
        return self._validate(definition).wait()

    async def validate_async(self, definition: Mapping[str, Any] | str) -> Sequence[Problem]:
        """As `validate`, on asyncio."""
        return await self._validate(definition)

    def _get(self, job: Name) -> Call[Job]:
        return Call(self._ops.job_get(ref("job", job)), lambda given: Job(**given))

    def get(self, job: Name) -> Job:
        """One, by its name or id."""
        return self._get(job).wait()

    async def get_async(self, job: Name) -> Job:
        """As `get`, on asyncio."""
        return await self._get(job)

    def _list(self, active_only: bool, skip: int, limit: int) -> Call[Page[Job]]:
        return Call(self._ops.job_list(active_only, skip, limit), page(Job))

    def list(self, *, active_only: bool = False, skip: int = 0, limit: int = 100) -> Page[Job]:
        """A part of them, newest first; `total` of the answer says how many there are."""
        return self._list(active_only, skip, limit).wait()

    async def list_async(self, *, active_only: bool = False, skip: int = 0, limit: int = 100) -> Page[Job]:
        """As `list`, on asyncio."""
        return await self._list(active_only, skip, limit)

    def _delete(self, job: Name) -> Call[None]:
        return Call(self._ops.job_delete(ref("job", job)), nothing)

    def delete(self, job: Name) -> None:
        """Removes one, by its name or id."""
        return self._delete(job).wait()

    async def delete_async(self, job: Name) -> None:
        """As `delete`, on asyncio."""
        return await self._delete(job)


class Users(Part):
    """Accounts of the tenant."""

    def _create(self, name: str, email: str, password: str, role: str) -> Call[User]:
        return Call(self._ops.user_create(text("name", name), text("email", email), text("role", role), text("password", password)), lambda given: User(**given))

    def create(self, *, name: str, email: str, password: str, role: str = "viewer") -> User:
        """Makes an account; `role` is `viewer`, `operator` or `admin`."""
        return self._create(name, email, password, role).wait()

    async def create_async(self, *, name: str, email: str, password: str, role: str = "viewer") -> User:
        """As `create`, on asyncio."""
        return await self._create(name, email, password, role)

    def _update(self, user: Name, name: str | None, email: str | None, role: str | None, password: str | None, is_active: bool | None) -> Call[User]:
        return Call(self._ops.user_update(ref("user", user), name, email, role, password, is_active), lambda given: User(**given))

    def update(self, user: Name, *, name: str | None = None, email: str | None = None, role: str | None = None, password: str | None = None, is_active: bool | None = None) -> User:
        """Changes what is given of an account."""
        return self._update(user, name, email, role, password, is_active).wait()

    async def update_async(self, user: Name, *, name: str | None = None, email: str | None = None, role: str | None = None, password: str | None = None, is_active: bool | None = None) -> User:
        """As `update`, on asyncio."""
        return await self._update(user, name, email, role, password, is_active)

    def _get(self, user: Name) -> Call[User]:
        return Call(self._ops.user_get(ref("user", user)), lambda given: User(**given))

    def get(self, user: Name) -> User:
        """One, by its name or id."""
        return self._get(user).wait()

    async def get_async(self, user: Name) -> User:
        """As `get`, on asyncio."""
        return await self._get(user)

    def _list(self, skip: int, limit: int) -> Call[Page[User]]:
        return Call(self._ops.user_list(skip, limit), page(User))

    def list(self, *, skip: int = 0, limit: int = 100) -> Page[User]:
        """A part of them, newest first; `total` of the answer says how many there are."""
        return self._list(skip, limit).wait()

    async def list_async(self, *, skip: int = 0, limit: int = 100) -> Page[User]:
        """As `list`, on asyncio."""
        return await self._list(skip, limit)

    def _delete(self, user: Name) -> Call[None]:
        return Call(self._ops.user_delete(ref("user", user)), nothing)

    def delete(self, user: Name) -> None:
        """Removes one, by its name or id."""
        return self._delete(user).wait()

    async def delete_async(self, user: Name) -> None:
        """As `delete`, on asyncio."""
        return await self._delete(user)


class Runs(Part):
    """Runs of the tenant."""

    def _get(self, id: int) -> Call[Run]:
        return Call(self._ops.run_get(id), Run)

    def get(self, id: int) -> Run:
        """The run of this number."""
        return self._get(id).wait()

    async def get_async(self, id: int) -> Run:
        """As `get`, on asyncio."""
        return await self._get(id)

    def _list(self, job: Name | None, status: str | None, skip: int, limit: int) -> Call[Page[RunInfo]]:
        return Call(self._ops.run_list(None if job is None else ref("job", job), status, skip, limit), page(RunInfo))

    def list(self, *, job: Name | None = None, status: str | None = None, skip: int = 0, limit: int = 100) -> Page[RunInfo]:
        """A part of the runs, newest first."""
        return self._list(job, status, skip, limit).wait()

    async def list_async(self, *, job: Name | None = None, status: str | None = None, skip: int = 0, limit: int = 100) -> Page[RunInfo]:
        """As `list`, on asyncio."""
        return await self._list(job, status, skip, limit)


class Audit(Part):
    """The audit record of the tenant."""

    def _verify(self, checkpoints: Sequence[str]) -> Call[AuditReport]:
        return Call(self._ops.audit_verify([*checkpoints]), lambda given: AuditReport(**given))

    def verify(self, *, checkpoints: Sequence[str] = ()) -> AuditReport:
        """Reads the whole record and says what is wrong with it, also against checkpoints that were kept elsewhere."""
        return self._verify(checkpoints).wait()

    async def verify_async(self, *, checkpoints: Sequence[str] = ()) -> AuditReport:
        """As `verify`, on asyncio."""
        return await self._verify(checkpoints)

    def _checkpoint(self) -> Call[str]:
        return Call(self._ops.audit_checkpoint(), str)

    def checkpoint(self) -> str:
        """Signs where the record stands; keep the note elsewhere."""
        return self._checkpoint().wait()

    async def checkpoint_async(self) -> str:
        """As `checkpoint`, on asyncio."""
        return await self._checkpoint()

    def _public_key(self) -> Call[str]:
        return Call(self._ops.audit_public_key(), str)

    def public_key(self) -> str:
        """The key that checkpoints are verified with."""
        return self._public_key().wait()

    async def public_key_async(self) -> str:
        """As `public_key`, on asyncio."""
        return await self._public_key()

    def _export(self, path: str | os.PathLike[str]) -> Call[int]:
        return Call(self._ops.audit_export(path), int)

    def export(self, path: str | os.PathLike[str]) -> int:
        """Writes the record to a new file, a line of JSON each, and says how many records it has."""
        return self._export(path).wait()

    async def export_async(self, path: str | os.PathLike[str]) -> int:
        """As `export`, on asyncio."""
        return await self._export(path)


def fields(name: str | None, hostname: str | None, protocol: str | None, port: int | None, credential: Any, tags: Sequence[str] | None, depends_on: Sequence[Name] | None) -> dict[str, Any]:
    """What a call says of a target, as the native half takes it."""
    return {
        "name": name,
        "hostname": hostname,
        "protocol": protocol,
        "port": port,
        "credential": None if credential is KEEP else (None if credential is None else ref("credential", credential),),
        "tags": None if tags is None else [*tags],
        "depends_on": None if depends_on is None else [ref("depends_on", target) for target in depends_on],
    }


class Scope(NotPickled):
    """The engine as one caller may use it."""

    def __init__(self, ops: _core.Ops) -> None:
        self._ops = ops
        self.credentials = Credentials(ops)
        """Credentials: written sealed, never shown."""
        self.targets = Targets(ops)
        """Hosts."""
        self.jobs = Jobs(ops)
        """Jobs."""
        self.users = Users(ops)
        """Accounts."""
        self.runs = Runs(ops)
        """Runs."""
        self.audit = Audit(ops)
        """The audit record."""

    def _run(self, job: object, params: Mapping[str, Any] | None, key: str | None, correlation: str | None, labels: Mapping[str, str] | None) -> Call[Run]:
        given = None if params is None else dict(params)
        return Call(self._ops.run(ref("job", job), given, key, correlation, None if labels is None else dict(labels)), Run)

    def run(self, job: Name, params: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None, correlation_id: str | None = None, labels: Mapping[str, str] | None = None) -> Run:
        """Enqueues a run of a job. When this returns the run is durable; a repeat with the same key answers the first run.

        Raises:
            InvalidParameters: naming each that is missing or wrong.
        """
        return self._run(job, params, idempotency_key, correlation_id, labels).wait()

    async def run_async(self, job: Name, params: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None, correlation_id: str | None = None, labels: Mapping[str, str] | None = None) -> Run:
        """As `run`, on asyncio."""
        return await self._run(job, params, idempotency_key, correlation_id, labels)

    def __repr__(self) -> str:
        tenant, actor, role = self._ops.who()
        return f"<opsconductor.{type(self).__name__} tenant={tenant} actor={actor!r} role={role!r}>"


class Engine(Scope):
    """The engine: open one with `sqlite`, `postgres` or `memory`, and use it as a context manager or close it.

    The key that seals secrets is `key` (what `generate_key` gives), or `keys` by id with `current`, or `key_file`; without
    any of them the environment's `OPSCONDUCTOR_KEY`. `files` is the folder that copies take files from, `http_allow` networks
    that `http.request` may reach beside public ones.
    """

    def __init__(self, native: _core.Native) -> None:
        self._native = native
        super().__init__(native.local())
        _logging.begin()

    @classmethod
    def sqlite(cls, path: str | os.PathLike[str], *, key: str | None = None, keys: Mapping[str, str] | None = None, current: str | None = None, key_file: str | os.PathLike[str] | None = None, deployment: str | None = None, files: str | os.PathLike[str] | None = None, http_allow: Sequence[str] = ()) -> Engine:
        """Opens an engine on a SQLite file, which is made if it is not there. Several processes may open one file."""
        return Call(_core.open_sqlite(path, options(key, keys, current, key_file, deployment, files, http_allow)), cls).wait()

    @classmethod
    async def sqlite_async(cls, path: str | os.PathLike[str], *, key: str | None = None, keys: Mapping[str, str] | None = None, current: str | None = None, key_file: str | os.PathLike[str] | None = None, deployment: str | None = None, files: str | os.PathLike[str] | None = None, http_allow: Sequence[str] = ()) -> Engine:
        """As `sqlite`, on asyncio."""
        return await Call(_core.open_sqlite(path, options(key, keys, current, key_file, deployment, files, http_allow)), cls)

    @classmethod
    def postgres(cls, url: str, *, schema: str | None = None, migrate: bool = True, key: str | None = None, keys: Mapping[str, str] | None = None, current: str | None = None, key_file: str | os.PathLike[str] | None = None, deployment: str | None = None, files: str | os.PathLike[str] | None = None, http_allow: Sequence[str] = ()) -> Engine:
        """Opens an engine on a PostgreSQL database, `postgres://user:password@host:5432/database`."""
        return Call(_core.open_postgres(url, schema, migrate, options(key, keys, current, key_file, deployment, files, http_allow)), cls).wait()

    @classmethod
    async def postgres_async(cls, url: str, *, schema: str | None = None, migrate: bool = True, key: str | None = None, keys: Mapping[str, str] | None = None, current: str | None = None, key_file: str | os.PathLike[str] | None = None, deployment: str | None = None, files: str | os.PathLike[str] | None = None, http_allow: Sequence[str] = ()) -> Engine:
        """As `postgres`, on asyncio."""
        return await Call(_core.open_postgres(url, schema, migrate, options(key, keys, current, key_file, deployment, files, http_allow)), cls)

    @classmethod
    def memory(cls, *, key: str | None = None, keys: Mapping[str, str] | None = None, current: str | None = None, deployment: str | None = None, files: str | os.PathLike[str] | None = None, http_allow: Sequence[str] = ()) -> Engine:
        """Opens an engine that forgets everything when it is closed. Without a key it makes one."""
        return Call(_core.open_memory(options(key, keys, current, None, deployment, files, http_allow)), cls).wait()

    def scope(self, *, tenant: str | None = None, user: str | None = None) -> Scope:
        """The same calls in another tenant, or as somebody else. Without a user they are the local administrator's."""
        return Call(self._native.scope(tenant, user), Scope).wait()

    async def scope_async(self, *, tenant: str | None = None, user: str | None = None) -> Scope:
        """As `scope`, on asyncio."""
        return await Call(self._native.scope(tenant, user), Scope)

    def create_tenant(self, name: str) -> Tenant:
        """Makes a tenant, whose things no other sees."""
        return Call(self._native.tenant_create(text("name", name)), lambda given: Tenant(**given)).wait()

    async def create_tenant_async(self, name: str) -> Tenant:
        """As `create_tenant`, on asyncio."""
        return await Call(self._native.tenant_create(text("name", name)), lambda given: Tenant(**given))

    def step(self, kind: str, *, schema: Mapping[str, Any] | None = None, templates: Mapping[str, str] | None = None) -> Callable[[Function], Function]:
        """Makes a function a step kind: `def function(ctx, step)` or `async def`, where `step` has the members of the step.

        What it returns is the step's output: a text as it is, anything else as JSON. What it raises fails the step.

        Args:
            kind: the `type` of steps, such as `slack.post`.
            schema: JSON Schema of the members; an object with `properties` and `required`.
            templates: which members are templates, and for which sink; all that are texts, for `text`, when it is not said.
        """

        def register(function: Function) -> Function:
            if not callable(function):
                raise TypeError(f"function: something to call is needed, not {type(function).__name__}")
            self._native.register(PythonStep(kind, dict(schema or {"properties": {}}), templates, function))
            return function

        return register

    def job_schema(self) -> dict[str, Any]:
        """The JSON Schema of job definitions, with the step kinds that are registered by now."""
        schema: dict[str, Any] = self._native.job_schema()
        return schema

    def worker(self, *, concurrency: int = 16, drain: float = 30.0) -> Worker:
        """A worker in this process: `with engine.worker():`.

        Args:
            concurrency: how many steps at once.
            drain: seconds that running steps have to end when it is stopped.
        """
        return Worker(self, concurrency, drain)

    def close(self) -> None:
        """Ends what hosts hold open for the engine. Later calls raise `ClosedError`; again does nothing."""
        if not self._native.is_closed:
            Call(self._native.close(), nothing).wait()
        _core.flush_logs()

    async def close_async(self) -> None:
        """As `close`, on asyncio."""
        if not self._native.is_closed:
            await Call(self._native.close(), nothing)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Engine:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close_async()


def options(key: str | None, keys: Mapping[str, str] | None, current: str | None, key_file: object, deployment: str | None, files: object, http_allow: Sequence[str]) -> dict[str, Any]:
    """What every way of opening takes, as the native half takes it."""
    return {"key": key, "keys": None if keys is None else dict(keys), "current": current, "key_file": key_file, "deployment": deployment, "files": files, "http_allow": list(http_allow)}
