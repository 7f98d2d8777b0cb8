"""Whether linters may run code of the checkout, or programs that are installed in it: looked up when one would."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Literal

Verdict = Literal["accepted", "nothing", "no"]
"""accepted: `loom trust` was said about exactly this content. nothing: the checkout holds nothing to accept."""


class Programs:
    """What acceptance of the checkout comes to. `of_target`: the configuration is the target branch's, so what it says
    was reviewed; the checkout itself is the change."""

    def __init__(
        self, verdict: Callable[[], Verdict], *, of_target: bool = False, earlier: Callable[[], bool] = lambda: False
    ) -> None:
        self._verdict, self.of_target, self._earlier = verdict, of_target, earlier

    @cached_property
    def verdict(self) -> Verdict:
        """Of the checkout as it stands."""
        return "nothing" if self.of_target else self._verdict()

    @property
    def may_load_code(self) -> bool:
        """Whether a linter's configuration may run code."""
        return self.verdict != "no"

    @property
    def may_be_brought_along(self) -> bool:
        """Whether programs that are installed inside the checkout may run: only on an express word."""
        return self.verdict == "accepted"

    @cached_property
    def missed(self) -> bool:
        """Whether an earlier content was accepted: then what cannot run now was expected to."""
        return not self.may_load_code and self._earlier()
