"""What the engine says, in Python's `logging`, below the logger `opsconductor`."""

from __future__ import annotations

import logging

from . import _core

LOGGER = logging.getLogger("opsconductor")
LOGGER.addHandler(logging.NullHandler())


def log(level: int, logger: str, message: str) -> None:
    """Hands a line on."""
    logging.getLogger(logger).log(level, "%s", message)


def begin() -> None:
    """Begins to hand lines on, those that the logger `opsconductor` wants at this moment."""
    _core.start_logs(log)
    _core.log_level(min(max(LOGGER.getEffectiveLevel(), 5), 20))
