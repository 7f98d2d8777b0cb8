"""A plan of what to post, as values: made by `engine.posting`, executed by `engine.publish`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loom.core.finding import Finding
from loom.core.result import Placement, ReviewResult
from loom.core.told import Silence
from loom.engine.placing import Where
from loom.engine.recall import Memory, Own
from loom.platforms.values import Draft, Thread, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One way to post a finding."""

    where: Where
    draft: Draft
    why: str | None
    """Why not in a better place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A finding to be posted by itself: the ways to do it, best first."""

    finding: Finding
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One of our own comments whose content changed materially."""

    thread: Thread
    draft: Draft
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """A thread of ours to be resolved."""

    own: Own
    finding: Finding
    why: Literal["fixed", "ignored"]
    note: str
    """What to answer once it is resolved; empty: nothing, since the one who settled it knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingPlan:
    """What to write, and where every finding stands without a write."""

    result: ReviewResult
    """All that is open, of this run and carried; states and earlier fingerprints set, silenced findings dropped."""
    head: str
    memory: Memory
    create: tuple[Planned, ...] = ()
    placements: tuple[Placement, ...] = ()
    """Of every finding that is not to be created."""
    updates: tuple[Update, ...] = ()
    settle: tuple[Settle, ...] = ()
    supersede: tuple[Own, ...] = ()
    """Second summaries and second comments for one finding."""
    fixed: tuple[Finding, ...] = ()
    carried: frozenset[str] = frozenset()
    silenced: tuple[Silence, ...] = ()
    unheard: int = 0
    verdict: Verdict = "comment"
    blocking: bool = False
    since: str | None = None
    """The head that was reviewed before this one."""
    refused: frozenset[str] = frozenset()
    """Findings that the platform refused inline, at this head: not tried again."""
    summary: bool = True
    """Whether a summary comment is wanted."""
    status: bool = True

    @property
    def elsewhere(self) -> Literal["summary", "annotation", "log"]:
        """Where a finding goes that gets no comment of its own."""
        return "summary" if self.summary else "annotation" if self.status else "log"
