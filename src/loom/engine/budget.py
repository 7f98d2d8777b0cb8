"""What a review may still use: requests, money and time. Reached means: stop, keep what is there, incomplete."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

OUT_OF_TIME = "the time budget (budget.max_seconds) is used up"


class Budget:
    """Counts what is used. A request is reserved before it is sent, with the most it may cost, and settled when it is
    over, so that concurrent ones cannot overrun a limit. One event loop."""

    def __init__(
        self,
        *,
        deadline: float,
        clock: Callable[[], float],
        max_requests: int | None = None,
        max_cost: float | None = None,
    ) -> None:
        self.deadline = deadline
        """time.monotonic seconds."""
        self._clock = clock
        self._max_requests = max_requests
        self._max_cost = max_cost
        self._requests = 0
        self._cost = 0.0
        self._held = 0.0
        """The most that the requests under way may cost."""
        self._under_way = 0
        self._settled = asyncio.Event()

    @property
    def limits_cost(self) -> bool:
        """Whether `reserve` has to know what a request may cost."""
        return self._max_cost is not None

    async def reserve(self, *, cost_usd: float) -> str | None:
        """Take one request that costs at most `cost_usd` out of the budget; or why it does not fit. While others are
        under way it waits rather than refuse: they may turn out cheaper than what is held for them."""
        while True:
            if self._clock() >= self.deadline:
                return OUT_OF_TIME
            reason = self._too_much(cost_usd)
            if reason is None:
                break
            if not self._under_way:
                return reason
            self._settled.clear()
            await self._settled.wait()
        self._requests += 1
        self._held += cost_usd
        self._under_way += 1
        return None

    def settle(self, *, held_usd: float, requests: int, cost_usd: float | None) -> None:
        """A reserved request is over: `requests` were sent for it (0: it was never sent, and costs nothing of the
        budget), and this is what it cost. None: nobody knows."""
        self._requests += requests - 1
        self._held -= held_usd
        self._cost += cost_usd or 0.0
        self._under_way -= 1
        self._settled.set()

    def _too_much(self, cost_usd: float) -> str | None:
        if self._max_requests is not None and self._requests >= self._max_requests:
            return f"the request budget (budget.max_requests: {self._max_requests}) is used up"
        if self._max_cost is None or self._cost + self._held + cost_usd <= self._max_cost + 1e-9:  # sums of floats
            return None
        limit = f"the cost budget (budget.max_cost: {self._max_cost:g} USD)"
        left = self._max_cost - self._cost
        if left <= 0:
            return f"{limit} is used up"
        return f"{limit} has {left:.2g} USD left, and the next request may cost {cost_usd:.2g} USD"
