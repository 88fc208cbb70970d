"""What can go wrong, one class for each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

__all__ = [
    "AuthError",
    "Busy",
    "Canceled",
    "ClosedError",
    "Conflict",
    "Error",
    "Forbidden",
    "InvalidInput",
    "InvalidJob",
    "InvalidParameters",
    "NotFound",
    "Problem",
    "ScheduleError",
    "StepFailed",
    "StoreError",
    "TemplateError",
    "Timeout",
    "TransportError",
    "VaultError",
]


@dataclass(frozen=True)
class Problem:
    """One fault in a document.

    >>> print(Problem("/steps/0/type", "is missing"))
    /steps/0/type: is missing
    """

    pointer: str
    """RFC 6901 pointer to the member at fault; empty for the whole document."""
    message: str
    """What is wrong and how to mend it."""

    def __str__(self) -> str:
        return f"{self.pointer}: {self.message}" if self.pointer else self.message


class Error(Exception):
    """Anything that the engine refuses or fails at. Match on the class or on `kind`, never on the text."""

    kind: str = "internal"
    """What went wrong, such as `not_found`; finer than the class in places."""
    problems: list[Problem]
    """Every fault of a document, where one was refused."""
    layer: str | None = None
    """The layer of a remote conversation that failed, such as `connect`."""
    is_retryable: bool = False
    """Whether the same call may succeed later."""
    retry_after: float | None = None
    """Seconds to wait before the same call is made again, where that is known."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.problems = []


class NotFound(Error):
    """The thing does not exist, or belongs to another tenant."""

    kind = "not_found"


class Conflict(Error):
    """A name is taken, a thing is in use, or a repeat differs from the first."""

    kind = "conflict"


class InvalidInput(Error, ValueError):
    """An argument is not acceptable."""

    kind = "invalid_input"


class InvalidJob(Error, ValueError):
    """A job definition does not hold; `problems` has every fault."""

    kind = "invalid_job"


class InvalidParameters(Error, ValueError):
    """Parameters of a run are missing or wrong; `problems` has every fault."""

    kind = "invalid_parameters"


class TemplateError(Error, ValueError):
    """A template does not parse, or a value may not go where it stands."""

    kind = "template"


class VaultError(Error):
    """A key is missing or wrong, or a sealed record does not open."""

    kind = "vault"


class ScheduleError(Error, ValueError):
    """A cron expression or a time zone does not hold, or never fires."""

    kind = "schedule"


class AuthError(Error):
    """A host refused the credential, or a login is refused."""

    kind = "auth"


class Forbidden(Error, PermissionError):
    """The caller's role does not allow it."""

    kind = "forbidden"


class TransportError(Error, ConnectionError):
    """A host was not reached or did not answer as it should; `layer` says where."""

    kind = "transport"


class StoreError(Error):
    """The store refused an operation, or is away; then `kind` is `store_unavailable`."""

    kind = "store"


class Timeout(Error, TimeoutError):
    """A limit in time was reached. What was begun goes on."""

    kind = "timeout"


class Busy(Error):
    """Too much is asked at once; `retry_after` says when to come again."""

    kind = "busy"


class Canceled(Error):
    """The work was canceled."""

    kind = "canceled"


class ClosedError(Error):
    """The engine is closed."""

    kind = "closed"


class StepFailed(Exception):
    """Raised by a step kind written in Python: the step failed, for a reason that needs no traceback.

    Args:
        reason: a sentence.
        exit_code: a number, where the kind has one.
    """

    def __init__(self, reason: str, *, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


CLASSES: dict[str, type[Error]] = {
    **{
        kind.kind: kind
        for kind in (
            NotFound,
            Conflict,
            InvalidInput,
            InvalidJob,
            InvalidParameters,
            TemplateError,
            VaultError,
            ScheduleError,
            AuthError,
            Forbidden,
            TransportError,
            StoreError,
            Timeout,
            Busy,
            Canceled,
            ClosedError,
        )
    },
    "unauthenticated": AuthError,
    "throttled": Busy,
    "store_unavailable": StoreError,
}


def of(
    kind: str,
    message: str,
    problems: list[tuple[str, str]],
    layer: str | None,
    retryable: bool,
    after: float | None,
) -> Error:
    """The exception for what the native half says."""
    error = CLASSES.get(kind, Error)(message)
    error.kind = kind
    error.problems = [Problem(*problem) for problem in problems]
    error.layer = layer
    error.is_retryable = retryable
    error.retry_after = after
    return error


class NotPickled:
    """What lives in this process only."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"an opsconductor.{name} lives in its process and cannot be pickled: open an engine where it is needed")
