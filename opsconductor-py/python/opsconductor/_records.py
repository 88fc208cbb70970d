"""What the calls of an engine answer with. Times are aware `datetime` objects in UTC."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

T = TypeVar("T")


class Page(list[T]):
    """A part of a list. `total` is how many there are in all."""

    total: int

    def __init__(self, items: Iterable[T] = (), total: int = 0) -> None:
        super().__init__(items)
        self.total = total


def page(kind: Callable[..., T]) -> Callable[[tuple[list[dict[str, Any]], int]], Page[T]]:
    """Makes a part of a list of what the native half gives."""

    def made(given: tuple[list[dict[str, Any]], int]) -> Page[T]:
        items, total = given
        return Page((kind(**item) for item in items), total)

    return made



@dataclass(frozen=True)
class Tenant:
    """A group of people and things that sees nothing of any other."""

    id: int
    name: str
    created_at: datetime


@dataclass(frozen=True)
class Credential:
    """A credential, without what is sealed in it."""

    id: int
    name: str
    type: str
    """`winrm`, `ssh` or `api_key`."""
    description: str | None
    version: int
    """Raised by one with each new secret."""
    created_at: datetime
    updated_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True)
class Target:
    """A host that steps act on."""

    id: int
    name: str
    hostname: str
    protocol: str
    """`winrm`, `ssh` or `http`."""
    port: int
    credential_id: int | None
    tags: list[str]
    metadata: dict[str, Any]
    depends_on: list[int]
    created_at: datetime


@dataclass(frozen=True)
class Job:
    """A job in its present version."""

    id: int
    name: str
    version: int
    definition: dict[str, Any]
    is_active: bool
    created_by: int | None
    created_at: datetime


@dataclass(frozen=True)
class User:
    """An account."""

    id: int
    name: str
    email: str
    role: str
    """`viewer`, `operator` or `admin`."""
    is_active: bool
    created_at: datetime


@dataclass(frozen=True)
class RunInfo:
    """A run as it stands."""

    id: int
    job_id: int
    job_version: int
    status: str
    """`queued`, `running`, `succeeded`, `failed` or `canceled`."""
    parameters: dict[str, Any]
    labels: dict[str, str]
    idempotency_key: str | None
    correlation_id: str | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class StepResult:
    """How a step stands on one target."""

    step: str
    """The id of the step."""
    type: str
    """The step kind, such as `winrm.exec`."""
    target: str | None
    status: str
    """`waiting`, `queued`, `running`, `succeeded`, `failed`, `aborted`, `skipped` or `lost`."""
    exit_code: int | None
    stdout: str
    stderr: str
    error: str | None
    """A sentence, unless it succeeded."""
    attempts: int
    seconds: float | None
    output_left_out: bool
    """Whether its output is left out, because the steps before it had so much: `Run.steps` has it."""


@dataclass(frozen=True)
class RunResult:
    """A run with its steps: a result for each step and target, by step, then by target."""

    id: int
    status: str
    steps: list[StepResult]

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == "succeeded"


@dataclass(frozen=True)
class Event:
    """Something that happened to a run."""

    seq: int
    """Its number in the run, from 1, without gaps."""
    type: str
    """`run.queued`, `run.started`, `run.finished`, `step.started`, `step.output`, `step.waiting` or `step.finished`."""
    at: datetime
    step: str | None
    target: str | None
    status: str | None
    stream: str | None
    """`stdout` or `stderr`, of output."""
    text: str | None
    reason: str | None
    attempt: int | None


@dataclass(frozen=True)
class ProbeReport:
    """What came of really connecting to a target."""

    ok: bool
    layer: str | None
    """The layer that failed, such as `connect` or `authentication`."""
    message: str
    details: dict[str, Any]


@dataclass(frozen=True)
class AuditReport:
    """What came of reading the whole audit record."""

    ok: bool
    records: int
    problems: list[str]


def result(given: dict[str, Any]) -> RunResult:
    """The result of a run, of what the native half gives."""
    steps = [StepResult(**step) for step in given["steps"]]
    return RunResult(id=given["id"], status=given["status"], steps=steps)
