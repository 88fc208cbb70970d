"""Step kinds written in Python."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from . import _core
from ._errors import StepFailed

REASON_CHARS_MAX = 1000


class StepContext:
    """What a step kind's function works with while it runs."""

    def __init__(self, call: _core.StepCall, step: str | None, timeout: int) -> None:
        self._call = call
        self._stopped = threading.Event()
        self.step_id = step
        self.timeout = timeout

    @property
    def is_stopped(self) -> bool:
        """Whether the step is to stop: its time is over, or its run was canceled."""
        return self._stopped.is_set()

    def log(self, text: str, *, stream: str = "stdout") -> None:
        """Adds a text to the step's output, `stdout` or `stderr`. Secrets of the run are taken out of it."""
        self._call.output(stream == "stderr", text)

    def __repr__(self) -> str:
        return f"<opsconductor.StepContext step={self.step_id!r}>"


class Loop:
    """The event loop that `async def` functions run on, on a thread of its own."""

    _lock = threading.Lock()
    _loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def get(cls) -> asyncio.AbstractEventLoop:
        """The loop, started by the first who asks."""
        with cls._lock:
            if cls._loop is None:
                cls._loop = asyncio.new_event_loop()
                threading.Thread(target=cls._loop.run_forever, name="opsconductor-async", daemon=True).start()
            return cls._loop


class PythonStep:
    """A step kind, as the native half takes it."""

    def __init__(self, kind: str, schema: dict[str, Any], templates: Mapping[str, str] | None, function: Callable[..., Any]) -> None:
        self.kind = kind
        self.schema = schema
        if templates is None:
            members = schema.get("properties", {})
            templates = {name: "text" for name, member in members.items() if isinstance(member, dict) and member.get("type") == "string"}
        self.templates = list(templates.items())
        self._function = function

    def begin(self, call: _core.StepCall, fields: dict[str, Any], step: str | None, timeout: int) -> Callable[[], None]:
        """Begins a call, and gives what asks it to stop."""
        context = StepContext(call, step, timeout)
        if inspect.iscoroutinefunction(self._function):
            future = asyncio.run_coroutine_threadsafe(self._await(call, context, fields), Loop.get())

            def stop() -> None:
                context._stopped.set()
                future.cancel()

            return stop
        threading.Thread(target=self._call, args=(call, context, fields), name=f"step {self.kind}", daemon=True).start()
        return context._stopped.set

    def _call(self, call: _core.StepCall, context: StepContext, fields: dict[str, Any]) -> None:
        try:
            finish(call, self._function(context, fields))
        except BaseException as error:  # noqa: BLE001 - whatever it raises, the step has failed
            failed(call, error)

    async def _await(self, call: _core.StepCall, context: StepContext, fields: dict[str, Any]) -> None:
        try:
            finish(call, await self._function(context, fields))
        except BaseException as error:  # noqa: BLE001 - whatever it raises, the step has failed
            failed(call, error)


def finish(call: _core.StepCall, value: object) -> None:
    """Ends a step well. A text is its output; anything else but None is, as JSON."""
    if value is not None:
        call.output(False, value if isinstance(value, str) else json.dumps(value))
    call.end(None, None, {})


def failed(call: _core.StepCall, error: BaseException) -> None:
    """Ends a step with what was raised, the traceback on its standard error."""
    if isinstance(error, StepFailed):
        call.end(str(error), error.exit_code, {})
        return
    call.output(True, "".join(traceback.format_exception(type(error), error, error.__traceback__)))
    call.end(f"{type(error).__name__}: {error}"[:REASON_CHARS_MAX], None, {})
