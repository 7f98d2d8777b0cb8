"""What a summary comment tells besides the result: what was decided about findings of earlier pushes, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from loom.core.finding import Finding
from loom.core.result import ReviewResult

How = Literal["resolved", "thumbs_down", "ignore", "resolve"]
"""A thread settled by hand, a thumbs-down, or a command in a comment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A person with write permission said that a finding need not be said again."""

    fingerprint: str
    who: str
    how: How
    reason: str = ""

    @property
    def text(self) -> str:
        """`ignored by ada: legacy`; untrusted words in it."""
        said = {"resolved": "resolved", "thumbs_down": "thumbed down", "ignore": "ignored", "resolve": "resolved"}
        return f"{said[self.how]} by {self.who}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everything a summary comment is made of."""

    result: ReviewResult
    """Its findings are all that are open: of this run and carried; its placements say where each stands."""
    fixed: tuple[Finding, ...] = ()
    """Of earlier pushes, no longer found."""
    carried: frozenset[str] = frozenset()
    """Fingerprints of earlier pushes that this run did not look at again."""
    silenced: tuple[Silence, ...] = ()
    """What people settled; those still among the findings count for the gate all the same."""
    unheard: int = 0
    """How many settled a finding without the permission for it."""
    since: str | None = None
    """The head that was reviewed before; None the first time."""
    link: Callable[[Finding], str | None] = lambda _: None
    """Where the forge shows the finding's lines."""
    commands: tuple[tuple[str, str], ...] = ()
    """(command, what it does) that comments on this pull request understand."""
    details: bool = True
    """Whether `<details>` folds here; HTML is printed as it is elsewhere."""
    gitlab: bool = False
    """Whether GitLab's references have to be broken too."""
    link_hosts: frozenset[str] = frozenset()
    """Hosts that links in untrusted text may go to."""


@dataclass(frozen=True, slots=True)
class SummaryText:
    """A rendered summary comment, without its marker."""

    body: str
    digest: str
    """Of what it says, without time and cost: the same while nothing changed."""
