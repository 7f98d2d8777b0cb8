"""SIGTERM ends a review as Ctrl-C does, wherever it is: cleaned up, told, and with what was finished."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

from loom.core.errors import LoomError


class InterruptedReviewError(LoomError):
    """The review was interrupted before there was anything to keep."""

    exit_code = 130
    default_slug = "interrupted"


_cancel: Callable[[], object] | None = None
"""What a signal is answered with while a task can be asked to end; the signal handler is the process's as well."""


def listen() -> None:
    """From now on SIGTERM raises KeyboardInterrupt, or cancels the task within `cancelling`."""
    with contextlib.suppress(ValueError):  # not the main thread: then signals are somebody else's business
        signal.signal(signal.SIGTERM, _told)


def _told(*_: object) -> None:
    if _cancel is None:
        raise KeyboardInterrupt
    _cancel()


@contextlib.contextmanager
def cancelling() -> Iterator[None]:
    """Within, SIGTERM cancels the current task, as asyncio.run has it for SIGINT. (Its own way, add_signal_handler,
    would leave SIGTERM without our handler when the loop ends.)"""
    global _cancel
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    _cancel = lambda: loop.call_soon_threadsafe(task.cancel)  # noqa: E731 - threadsafe: it also wakes the loop
    try:
        yield
    finally:
        _cancel = None


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turns an interrupt that nobody within has answered into an error that says so."""
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError) as interrupt:
        raise InterruptedReviewError(
            "interrupted before anything was reviewed", hint="start the review again when there is time for it"
        ) from interrupt
