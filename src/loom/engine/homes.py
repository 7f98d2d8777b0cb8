"""The last place of every finding that has no comment of its own. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loom.core.finding import Finding, order
from loom.core.result import Placement
from loom.engine.posting_plan import PostingPlan


def everything(plan: PostingPlan) -> tuple[Finding, ...]:
    """All findings that the plan tells, in their order."""
    found = {p.finding.fingerprint: p.finding for p in plan.create}
    found |= {f.fingerprint: f for f in plan.result.findings}
    return tuple(sorted(found.values(), key=order))


def is_homeless(place: Placement | None) -> bool:
    """Whether no comment stands for the finding."""
    return place is None or place.where in ("summary", "annotation", "log", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Homes:
    """Where findings without a comment can be read."""

    summary: bool
    """The summary stands, and lists them all."""
    annotated: frozenset[str]
    """On the check run, or in the job's own channel."""
    loose: frozenset[str]
    """Those that were to have a comment."""
    promised: bool
    """Whether a summary was to be posted: then one of these places is owed to every finding."""

    def of(self, findings: Iterable[Finding], places: Mapping[str, Placement]) -> tuple[dict[str, Placement], bool]:
        """(placements, whether any finding was lost): the best place that took each. One that nothing carries is in
        the log only; that is a loss where it was to stand somewhere else."""
        found: dict[str, Placement] = {}
        lost = False
        for fp in (f.fingerprint for f in findings if is_homeless(places.get(f.fingerprint))):
            reason = places[fp].reason if fp in places else None
            if self.summary:
                found[fp] = Placement(fp, "summary", reason)
            elif fp in self.annotated:
                found[fp] = Placement(fp, "annotation", reason)
            else:
                found[fp] = Placement(fp, "log", reason)
                lost = lost or self.promised or fp in self.loose
        return found, lost
