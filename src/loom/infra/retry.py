"""When to try again and how long to wait: full jitter, the server's own wish first, one deadline over everything."""

from __future__ import annotations

import asyncio
import email.utils
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]
Uniform = Callable[[float, float], float]

# 529 is Anthropic's overloaded_error; 425 is Too Early. 409 is a lock timeout at OpenAI and Anthropic.
_TRANSIENT = frozenset({408, 409, 425, 429})


class RetryableError(Exception):
    """Wrap what went wrong in this to have it tried again. After the last try `cause` is raised itself."""

    def __init__(self, cause: Exception, *, after_s: float | None = None) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.after_s = after_s
        """How long the server asked to wait; None when it did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How stubborn to be. Time and chance are handed in, so that tests neither wait nor vary."""

    retries: int = 3
    base_s: float = 1.0
    cap_s: float = 30.0
    max_asked_s: float = 120.0
    """A server that asks for more is not waited for: OpenAI's and Anthropic's SDKs draw the same line."""
    sleep: Sleep = field(default=asyncio.sleep)
    clock: Clock = field(default=time.monotonic)
    uniform: Uniform = field(default=random.uniform)

    def delay_s(self, attempt: int, asked_s: float | None) -> float:
        """How long to wait after the `attempt`-th try (1-based)."""
        if asked_s is not None:
            return asked_s + self.uniform(0.0, min(1.0, asked_s * 0.1))
        return self.uniform(0.0, min(self.cap_s, self.base_s * 2.0 ** (attempt - 1)))


async def retrying(
    attempt: Callable[[], Awaitable[T]],
    *,
    policy: Policy,
    deadline: float,
    on_retry: Callable[[], None] = lambda: None,
) -> T:
    """Await `attempt()` until it returns, raises something else than RetryableError, or there is no point in trying
    again: retries used up, the server asks for too long a wait, or the wait would end after `deadline`."""
    from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

    plans: dict[int, float] = {}

    def failure(state: RetryCallState) -> RetryableError:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, RetryableError)
        return error

    def wait(state: RetryCallState) -> float:
        number = state.attempt_number
        if number not in plans:  # tenacity asks both `wait` and `stop`; chance must be drawn once
            plans[number] = policy.delay_s(number, failure(state).after_s)
        return plans[number]

    def stop(state: RetryCallState) -> bool:
        asked = failure(state).after_s or 0.0
        late = policy.clock() + wait(state) >= deadline
        return state.attempt_number > policy.retries or asked > policy.max_asked_s or late

    loop = AsyncRetrying(
        wait=wait,
        stop=stop,
        retry=retry_if_exception_type(RetryableError),
        sleep=policy.sleep,
        before_sleep=lambda _: on_retry(),
        reraise=True,
    )
    try:
        return await loop(attempt)
    except RetryableError as error:
        raise error.cause from error.cause.__cause__


def is_transient(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer with this status is worth another try. The server's `x-should-retry` decides where present."""
    match headers.get("x-should-retry"):
        case "true":
            return True
        case "false":
            return False
        case _:
            return status in _TRANSIENT or status >= 500


def asked_wait_s(headers: Mapping[str, str]) -> float | None:
    """How long a server asks to wait: `retry-after-ms`, then `retry-after` in seconds or as a date. A date is measured
    against the answer's own `date`, so that neither side's clock matters."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    wish = headers.get("retry-after")
    seconds = _number(wish)
    if seconds is not None or wish is None:
        return seconds
    then, now = _date(wish), _date(headers.get("date"))
    return max(0.0, then - now) if then is not None and now is not None else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < float("inf") else None


def _date(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
