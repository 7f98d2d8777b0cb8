"""Where each finding of a plan goes: a comment of its own, the one that stands already, or the summary. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loom.core.finding import Finding, Severity
from loom.core.marker import Known, Marker, Seal, digest
from loom.core.result import Placement, ReviewResult
from loom.core.told import Silence
from loom.engine import comment_text
from loom.engine.comment_text import Manners
from loom.engine.gate import reaches_bar
from loom.engine.placing import HunkMap, Rung
from loom.engine.posting_plan import Planned, PostingPlan, Settle, Step, Update
from loom.engine.recall import Own
from loom.platforms.base import Cap, Profile
from loom.platforms.values import Draft

if TYPE_CHECKING:
    from loom.config.schema import Output

MOST_FILE_COMMENTS = 10
"""Comments on files as a whole, a run: one request each, and reviewdog's ceiling against GitHub's abuse detection."""
_MARKER_ROOM = 1_800
"""Characters of a comment that the marker and its hiding take at most."""


def still_counts(finding: Finding, silence: Silence) -> bool:
    """Whether a silenced finding is told all the same: a tool's blocker counts for the gate until it is fixed, or
    ignored with a reason."""
    by_reason = silence.how == "ignore" and bool(silence.reason)
    return finding.deterministic_severity is Severity.BLOCKER and not by_reason


def suppressed(result: ReviewResult) -> dict[str, str]:
    """Fingerprint -> where it is ignored, of what a run found and did not tell."""
    found = {}
    for drop in result.dropped:
        fp, by = drop.finding.get("fingerprint"), drop.finding.get("suppressed_by")
        if drop.reason == "suppressed" and isinstance(fp, str):
            found[fp] = str(by.get("where", "")) if isinstance(by, Mapping) else ""
    return found


@dataclass(frozen=True, slots=True)
class Work:
    """Placing the findings of one plan."""

    plan: PostingPlan
    profile: Profile
    output: Output
    seal: Seal
    manners: Manners
    hunks: HunkMap

    def placed(self, every: Sequence[Finding], quiet: Mapping[str, Silence]) -> PostingPlan:
        """The plan with one place for every finding."""
        standing = {f.fingerprint: own for f in every if (own := self._own(f))}
        room = _Room(self.output, self.profile, (f for f in every if f.fingerprint in standing.keys() - quiet.keys()))
        create: list[Planned] = []
        places: list[Placement] = []
        for finding in every:
            outcome = self._place(finding, standing.get(finding.fingerprint), quiet.get(finding.fingerprint), room)
            if isinstance(outcome, Planned):
                create.append(outcome)
            else:
                places.append(outcome)
        return replace(
            self.plan,
            create=tuple(create),
            placements=tuple(places),
            updates=tuple(self._updates(every, standing, quiet)),
            settle=tuple(self._settle(every, quiet)),
        )

    def _own(self, finding: Finding) -> Own | None:
        """The comment that speaks for the finding now."""
        memory = self.plan.memory
        return None if finding.fingerprint in memory.settled else memory.comments.get(finding.fingerprint)

    def _place(self, finding: Finding, own: Own | None, silence: Silence | None, room: _Room) -> Planned | Placement:
        fp = finding.fingerprint
        if silence is not None:
            reason = f"{silence.text}; a tool's blocker counts all the same" if still_counts(finding, silence) else ""
            return Placement(fp, "deduped", reason or silence.text, own.thread.comments[0].id if own else None)
        if own is not None:
            return Placement(fp, "deduped", "said before, still there", own.thread.comments[0].id)
        if reason := self._not_inline(finding):
            return self._elsewhere(finding, reason)
        rungs, why = self.hunks.ladder(finding, self.profile.caps)
        if not rungs:
            return self._elsewhere(finding, why)
        if full := room.take(finding, whole_file=rungs[0].where == "file"):
            return self._elsewhere(finding, full)
        return Planned(finding=finding, steps=tuple(self._step(finding, rung) for rung in rungs))

    def _not_inline(self, finding: Finding) -> str:
        """Why the finding gets no comment of its own, before any place is looked for; empty when it may."""
        fp = finding.fingerprint
        if not self.output.inline_comments or self.output.format == "summary-only":
            return "inline comments are switched off"
        if not finding.severity.at_least(Severity(self.output.inline_min_severity)):
            return f"below inline_min_severity: {self.output.inline_min_severity}"
        if fp in self.plan.carried:
            return "of an earlier push, not looked at again"
        if fp in self.plan.memory.deleted:
            return "its comment was deleted"
        if fp in self.plan.refused:
            return "the platform refused it inline before"
        return ""

    def _elsewhere(self, finding: Finding, reason: str) -> Placement:
        return Placement(finding.fingerprint, self.plan.elsewhere, reason)

    def _step(self, finding: Finding, rung: Rung) -> Step:
        single = rung.where != "inline"
        suggestion = finding.suggestion
        at = rung.anchor
        exact = suggestion and at.side == "new" and (at.start_line or at.line, at.line) == (
            suggestion.line, suggestion.end_line,
        )  # fmt: skip
        commits = bool(exact and suggestion and suggestion.committable and Cap.SUGGESTIONS in self.profile.caps)
        text = suggestion.text if commits and suggestion else None
        limit = self.profile.limits.comment - _MARKER_ROOM - 2 * len(text or "")
        if text is not None and limit < self.profile.limits.comment // 2:
            commits, text, limit = False, None, self.profile.limits.comment - _MARKER_ROOM
        draft = Draft(
            fingerprint=finding.fingerprint,
            anchor=at,
            body=comment_text.body(
                finding,
                self.manners,
                limit=limit,
                span=single and (finding.end_line or 0) > (finding.line or 0),
                shown=not commits,
                replaced=self.hunks.replaced(finding),
            ),
            suggestion=text,
            marker=self.marker(finding),
            blocking=reaches_bar(finding, fail_on=self.output.fail_on, fail_on_model=self.output.fail_on_model),
        )
        return Step(where=rung.where, draft=draft, why=rung.why)

    def marker(self, finding: Finding) -> str:
        """What the finding's comment remembers."""
        short = replace(Known.of(finding, inline=True), sources=finding.sources[:4] or (finding.pipeline,))
        return self.seal.write(
            Marker(kind="finding", head=self.plan.head, digest=_material(finding), known=(short,)),
            limit=_MARKER_ROOM - 200,
        )

    def _updates(
        self, every: Sequence[Finding], standing: Mapping[str, Own], quiet: Mapping[str, Silence]
    ) -> Iterator[Update]:
        """Comments that no longer say what is found. A model's other wording is no reason to write."""
        if Cap.EDIT_COMMENT not in self.profile.caps:
            return
        for finding in every:
            own = standing.get(finding.fingerprint)
            if own is None or not own.editable or finding.fingerprint in self.plan.carried | quiet.keys():
                continue
            if own.marker.digest != _material(finding) and not own.thread.resolved:
                rungs, _ = self.hunks.ladder(finding, self.profile.caps)
                same = next((r for r in rungs if own.thread.line in (r.anchor.line, r.anchor.old_line)), None)
                if rung := same or next(iter(rungs), None):
                    yield Update(thread=own.thread, draft=self._step(finding, rung).draft, finding=finding)

    def _settle(self, every: Sequence[Finding], quiet: Mapping[str, Silence]) -> Iterator[Settle]:
        """Threads that are done: fixed, or ignored by one who may. One that somebody else answered last is theirs."""
        memory = self.plan.memory
        if self.output.resolve_fixed:
            sha = self.plan.head[:10]
            for finding in self.plan.fixed:
                own = memory.comments.get(finding.fingerprint)
                done = finding.fingerprint in memory.settled
                if own and not done and not own.thread.resolved and not own.answered:
                    yield Settle(own=own, finding=finding, why="fixed", note=f"Fixed: no longer found at `{sha}`.")
            for fp, where in sorted(suppressed(self.plan.result).items()):
                own = memory.comments.get(fp)
                open_ = own and fp not in memory.settled and not own.thread.resolved and not own.answered
                if own and open_ and fp not in quiet:
                    note = f"Ignored by {self.manners.line(where, 200)}." if where else "Ignored."
                    yield Settle(own=own, finding=own.marker.known[0].finding(), why="ignored", note=note)
        if Cap.RESOLVE in self.profile.caps:
            yield from (
                Settle(own=own, finding=finding, why="ignored", note="")
                for finding in every
                if (silence := quiet.get(finding.fingerprint)) and not still_counts(finding, silence)
                and silence.how in ("ignore", "resolve")
                and (own := memory.comments.get(finding.fingerprint))
                and own.thread.resolvable and own.thread.can_resolve and not own.thread.resolved
            )  # fmt: skip


class _Room:
    """How many comments may still be added. What stands already counts: a second run must not go on where the first
    one stopped."""

    def __init__(self, output: Output, profile: Profile, standing: Iterable[Finding]) -> None:
        self._most = min(output.max_comments, profile.limits.inline_per_review)
        self._most_per_file = output.max_comments_per_file
        self._by_file = Counter(f.path for f in standing)
        self._total = sum(self._by_file.values())
        self._files = MOST_FILE_COMMENTS

    def take(self, finding: Finding, *, whole_file: bool) -> str:
        """Count one more; why there is no room, else nothing."""
        if self._total >= self._most:
            return f"over the limit of {self._most} comments"
        if self._by_file[finding.path] >= self._most_per_file:
            return f"over the limit of {self._most_per_file} comments in one file"
        if whole_file and not self._files:
            return f"over the limit of {MOST_FILE_COMMENTS} comments on files"
        self._files -= whole_file
        self._by_file[finding.path] += 1
        self._total += 1
        return ""


def _material(finding: Finding) -> str:
    """What makes a comment worth writing again: how bad, and for a tool's finding its words. A model finds other words
    every time."""
    words = (finding.rule or "", finding.title, finding.message) if finding.deterministic else ()
    fact = finding.deterministic_severity
    return digest(finding.severity.value, fact.value if fact else "", *words)
