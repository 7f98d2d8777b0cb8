"""How many requests may be under way to one model, and how fast new ones may start: a semaphore that adapts to 429s
(AIMD), token buckets for requests and tokens per minute, and pauses that the server's rate limit headers ask for."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import email.utils
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from loom.infra.retry import Clock, Sleep

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
# What a header may make us wait; a longer wish is the retry policy's business.
_MAX_PAUSE_S = 60.0


class WouldMissDeadlineError(Exception):
    """The rate limit does not let the request start before the deadline."""


@dataclass(slots=True)
class Bucket:
    """A token bucket that holds one minute's allowance, as OpenAI and Anthropic describe theirs."""

    per_minute: int
    clock: Clock
    _level: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._level = float(self.per_minute)
        self._at = self.clock()

    def take(self, amount: float) -> float:
        """Take `amount` now if it is there and return 0, else take nothing and return the seconds until it will be.
        An amount larger than the bucket is let through when the bucket is full, and paid back."""
        now = self.clock()
        self._level = min(float(self.per_minute), self._level + (now - self._at) * self.per_minute / 60)
        self._at = now
        missing = min(amount, float(self.per_minute)) - self._level
        if missing > 1e-9:
            return missing * 60 / self.per_minute
        self._level -= amount
        return 0.0

    def give_back(self, amount: float) -> None:
        """Return what was taken and not used."""
        self._level = min(float(self.per_minute), self._level + amount)


class Gate:
    """The way to one model. Use `async with gate.slot(tokens, deadline)` around each HTTP request."""

    def __init__(
        self,
        *,
        concurrency: int,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.concurrency = concurrency
        self._limit = float(concurrency)
        self._active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._clock = clock
        self._sleep = sleep
        self._resume_at = 0.0
        self._halved_at = float("-inf")
        self._requests = Bucket(requests_per_minute, clock) if requests_per_minute else None
        self._tokens = Bucket(tokens_per_minute, clock) if tokens_per_minute else None

    @property
    def limit(self) -> int:
        """How many may be under way just now."""
        return max(1, int(self._limit))

    @contextlib.asynccontextmanager
    async def slot(self, tokens: int, deadline: float) -> AsyncIterator[float]:
        """Wait for a turn and for the buckets; yields when the request started (for `throttled`). Raises
        WouldMissDeadlineError instead of waiting in vain."""
        await self._enter()
        try:
            await self._wait_for_allowance(tokens, deadline)
            yield self._clock()
        finally:
            self._leave()

    def throttled(self, started: float, asked_s: float | None) -> None:
        """The server said 429 to a request that started at `started`: halve, once per burst, and pause everyone."""
        now = self._clock()
        if started >= self._halved_at:
            self._limit = max(1.0, self._limit / 2)
            self._halved_at = now
        if asked_s is not None:
            self._pause(asked_s)

    def succeeded(self) -> None:
        """A request went well: about one more slot for every full round of successes."""
        self._limit = min(float(self.concurrency), self._limit + 1 / self._limit)
        self._admit()

    def heed(self, headers: Mapping[str, str]) -> None:
        """Pause when the server says that nothing remains until a reset."""
        for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
            for prefix in ("x-ratelimit-{part}-" + kind, "anthropic-ratelimit-" + kind + "-{part}"):
                if headers.get(prefix.format(part="remaining")) == "0":
                    reset = reset_s(headers.get(prefix.format(part="reset")), headers.get("date"))
                    self._pause(reset or 0.0)

    def _pause(self, seconds: float) -> None:
        self._resume_at = max(self._resume_at, self._clock() + min(seconds, _MAX_PAUSE_S))

    async def _wait_for_allowance(self, tokens: int, deadline: float) -> None:
        while (delay := self._delay(tokens)) > 0:
            if self._clock() + delay >= deadline:
                raise WouldMissDeadlineError
            await self._sleep(delay)

    def _delay(self, tokens: int) -> float:
        pause = self._resume_at - self._clock()
        if pause > 0:
            return pause
        delay = self._requests.take(1) if self._requests else 0.0
        if delay == 0 and self._tokens:
            delay = self._tokens.take(tokens)
            if delay > 0 and self._requests:
                self._requests.give_back(1)
        return delay

    async def _enter(self) -> None:
        if self._active < self.limit and not self._waiting:
            self._active += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # our turn came in the same moment; hand it on
            raise

    def _leave(self) -> None:
        self._active -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._active < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._active += 1  # counted here, so that nobody overtakes
                turn.set_result(None)


def reset_s(reset: str | None, date: str | None) -> float | None:
    """Seconds until a reset, written as `1s`, `6m0s`, `20ms`, plain seconds or an RFC 3339 time (against `date`)."""
    if not reset:
        return None
    with contextlib.suppress(ValueError):
        return float(reset)
    match = _DURATION.fullmatch(reset)
    if match and match.group(0):
        hours, minutes, seconds, milliseconds = (float(g or 0) for g in match.groups())
        return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    try:
        then = datetime.datetime.fromisoformat(reset)
        now = email.utils.parsedate_to_datetime(date or "")
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError):
        return None
