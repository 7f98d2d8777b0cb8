"""What a review may still use: requests, money and time. Reached means: stop, keep what is there, incomplete."""

from __future__ import annotations

from collections.abc import Callable


class Budget:
    """Counts what is used. Requests are reserved before they are sent, so that concurrent ones cannot overrun it."""

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

    def reserve(self) -> str | None:
        """Take one request out of the budget; or why there is none left."""
        if self._clock() >= self.deadline:
            return "the time budget (budget.max_seconds) is used up"
        if self._max_requests is not None and self._requests >= self._max_requests:
            return f"the request budget (budget.max_requests: {self._max_requests}) is used up"
        if self._max_cost is not None and self._cost >= self._max_cost:
            return f"the cost budget (budget.max_cost: {self._max_cost:g} USD) is used up"
        self._requests += 1
        return None

    def spend(self, *, more_requests: int, cost_usd: float | None) -> None:
        """Account for a reply: the requests beyond the reserved one, and what it cost."""
        self._requests += more_requests
        self._cost += cost_usd or 0.0
