"""A call of the native half, made in one of two ways: waited for, or awaited."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any, Generic, TypeVar

from . import _core

T = TypeVar("T")


class Call(Generic[T]):
    """A call that was asked for and not yet made."""

    __slots__ = ("_make", "_pending")

    def __init__(self, pending: _core.Pending, make: Callable[[Any], T]) -> None:
        self._pending = pending
        self._make = make

    def wait(self) -> T:
        """Makes it, and waits for it with the interpreter let go."""
        return self._make(self._pending.wait())

    def __await__(self) -> Generator[Any, None, T]:
        return self._make((yield from self._pending.future().__await__()))


def nothing(_: Any) -> None:
    """The answer of a call that has none."""


def ref(argument: str, given: object) -> str | int:
    """A name or an id."""
    if isinstance(given, (str, int)) and not isinstance(given, bool):
        return given
    # A record stands for what it is a record of.
    own = getattr(given, "id", None)
    if isinstance(own, int):
        return own
    raise TypeError(f"{argument}: a name (str) or an id (int) is needed, not {type(given).__name__}")


def text(argument: str, given: object) -> str:
    """A text."""
    if isinstance(given, str):
        return given
    raise TypeError(f"{argument}: a str is needed, not {type(given).__name__}")


def aware(argument: str, given: object) -> datetime:
    """A moment that says which it is."""
    if not isinstance(given, datetime):
        raise TypeError(f"{argument}: a datetime is needed, not {type(given).__name__}")
    if given.utcoffset() is None:
        raise ValueError(f"{argument}: the datetime has no time zone; give one, such as datetime.now(timezone.utc)")
    return given
