"""OpsConductor: an IT-operations engine to embed.

    import opsconductor as oc

    with oc.Engine.sqlite("ops.db", key=oc.generate_key()) as engine:
        ...
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _core
from ._calls import Call
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
    "generate_key", "hash_password", "hash_password_async", "render", "validate_job", "verify_password", "verify_password_async",
]  # fmt: skip
