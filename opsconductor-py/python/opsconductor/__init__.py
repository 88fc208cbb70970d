"""OpsConductor: an IT-operations engine to embed.

    import opsconductor as oc

    with oc.Engine.sqlite("ops.db", key=oc.generate_key()) as engine:
        ...
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone as _timezone
from typing import Any

from . import _core
from ._calls import Call, aware, text
from ._core import Template, Vault, __version__, generate_key, render
from ._engine import Engine, Run, Scope, Worker
from ._errors import (
    AuthError,
    Busy,
    Canceled,
    ClosedError,
    Conflict,
    Error,
    Forbidden,
    InvalidInput,
    InvalidJob,
    InvalidParameters,
    NotFound,
    Problem,
    ScheduleError,
    StepFailed,
    StoreError,
    TemplateError,
    Timeout,
    TransportError,
    VaultError,
)
from ._records import AuditReport, Credential, Event, Job, Page, ProbeReport, RunInfo, RunResult, StepResult, Target, Tenant, User
from ._steps import StepContext


def validate_job(definition: Mapping[str, Any] | str) -> list[Problem]:
    """Every problem of a job definition, a dict or a text in JSON or YAML; none when it holds.

    >>> [problem.pointer for problem in validate_job({"name": "Nothing to do", "version": 1, "steps": []})]
    ['/steps']
    """
    return [Problem(*problem) for problem in _core.validate_job(definition)]


def next_fires(cron: str, timezone: str, after: datetime, count: int) -> list[datetime]:
    """The next `count` times after `after` that a cron expression of five fields fires in a time zone, each with its offset.

    >>> after = datetime(2026, 3, 28, 12, tzinfo=_timezone.utc)
    >>> [str(fire) for fire in next_fires("30 2 * * *", "Europe/Berlin", after, 2)]  # half past two is not there on the 29th
    ['2026-03-29 03:00:00+02:00', '2026-03-30 02:30:00+02:00']

    Raises:
        ScheduleError: the expression or the zone does not hold, or it never fires.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"count: an int is needed, not {type(count).__name__}")
    if count < 0:
        raise ValueError("count: a number of times is needed, not a negative one")
    moment = aware("after", after).astimezone(_timezone.utc)
    fires: list[datetime] = _core.next_fires(text("cron", cron), text("timezone", timezone), moment, count)
    return fires


def hash_password(password: str) -> str:
    """The Argon2id hash of a password. It takes an eighth of a second, and 64 MiB."""
    return Call(_core.hash_password(password), str).wait()


async def hash_password_async(password: str) -> str:
    """As `hash_password`, on asyncio."""
    return await Call(_core.hash_password(password), str)


def verify_password(password: str, hash: str) -> bool:
    """Whether a password is the one that was hashed, with Argon2id or bcrypt."""
    return Call(_core.verify_password(password, hash), bool).wait()


async def verify_password_async(password: str, hash: str) -> bool:
    """As `verify_password`, on asyncio."""
    return await Call(_core.verify_password(password, hash), bool)


__all__ = [
    "AuditReport", "AuthError", "Busy", "Canceled", "ClosedError", "Conflict", "Credential", "Engine", "Error", "Event",
    "Forbidden", "InvalidInput", "InvalidJob", "InvalidParameters", "Job", "NotFound", "Page", "ProbeReport", "Problem", "Run",
    "RunInfo", "RunResult", "ScheduleError", "Scope", "StepContext", "StepFailed", "StepResult", "StoreError", "Target",
    "Template", "TemplateError", "Tenant", "Timeout", "TransportError", "User", "Vault", "VaultError", "Worker", "__version__",
    "generate_key", "hash_password", "hash_password_async", "next_fires", "render", "validate_job", "verify_password", "verify_password_async",
]  # fmt: skip
