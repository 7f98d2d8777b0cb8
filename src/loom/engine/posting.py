"""What to post on a pull request: decided once, purely, from the result and from what stands there already.

Every finding gets exactly one place, and deciding again on the state that a plan leads to plans no write. The contract
is docs/adr/0014-posting.md; `engine.publish` executes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from loom.core.finding import Finding, Severity, order
from loom.core.marker import LONGEST_PATH, Known, Seal
from loom.core.result import Dropped, Placement, ReviewResult
from loom.core.told import Silence
from loom.engine.aggregate import compare
from loom.engine.assign import Work, still_counts, suppressed
from loom.engine.comment_text import Manners
from loom.engine.conclude import finding_as_json
from loom.engine.gate import reaches_bar
from loom.engine.placing import HunkMap
from loom.engine.posting_plan import PostingPlan
from loom.engine.recall import Memory, recall, silences
from loom.platforms.base import Cap, Profile
from loom.platforms.values import Access, PullRequest, Thread, Verdict

if TYPE_CHECKING:
    from loom.config.schema import Output


def decide(
    result: ReviewResult,
    pr: PullRequest,
    threads: Iterable[Thread],
    *,
    profile: Profile,
    output: Output,
    seal: Seal,
    access: Mapping[str, Access],
    manners: Manners | None = None,
    least: Access = "write",
    may_approve: bool = True,
) -> PostingPlan:
    """The plan. `access`: what those may do who settled something (`recall(threads, seal).actors`); who is not in it
    may nothing. `least`: what silencing takes. `may_approve`: False where what ran is not trusted."""
    memory = recall(threads, seal)
    if result.outcome.skipped is not None or output.format == "json":
        return _nothing(result, pr, memory, status=output.status)
    again = memory.head == pr.head_sha
    now = _once(compare(result.findings, memory.earlier())[0], memory, pr.head_sha)
    heard = silences(memory, access, least)
    carried, fixed = _earlier(result, now, memory, heard)
    every = tuple(sorted((*now, *carried), key=order))
    quiet = {f.fingerprint: s for f in every if (s := _silence(f, heard))}
    told = tuple(f for f in every if f.fingerprint not in quiet or still_counts(f, quiet[f.fingerprint]))
    spoken = {f.fingerprint for f in told}
    plan = PostingPlan(
        result=_changed(result, told, [(f, quiet[f.fingerprint]) for f in every if f.fingerprint not in spoken]),
        head=pr.head_sha,
        memory=memory,
        supersede=(*memory.summaries[1:], *memory.copies),
        fixed=_with_last(fixed, memory, every) if again else fixed,
        carried=frozenset(f.fingerprint for f in carried),
        silenced=tuple(quiet[f.fingerprint] for f in every if f.fingerprint in quiet),
        unheard=_unheard(memory, heard),
        blocking=any(reaches_bar(f, fail_on=output.fail_on, fail_on_model=output.fail_on_model) for f in told),
        since=memory.since if again else memory.head,
        refused=memory.refused if again else frozenset(),
        summary=output.summary and output.format in ("review", "summary-only"),
        status=output.status,
    )
    work = Work(plan, profile, output, seal, manners or Manners(), HunkMap(result.files))
    return replace(work.placed(every, quiet), verdict=_verdict(plan, output, profile, may_approve=may_approve))


def known(plan: PostingPlan, placements: Mapping[str, Placement], refused: frozenset[str]) -> tuple[Known, ...]:
    """What the summary's marker remembers: all that is open, deterministic blockers first; then what was fixed."""
    standing = plan.memory.comments.keys() - plan.memory.settled | plan.memory.deleted

    def of(finding: Finding) -> Known:
        fp = finding.fingerprint
        place = placements.get(fp)
        posted = place is not None and place.where in ("inline", "inline_single", "file")
        by_another = place is not None and place.where == "deduped" and place.comment_id is not None
        return Known.of(finding, in_summary=fp in refused, inline=posted or by_another or fp in standing)

    facts_first = sorted(
        plan.result.findings, key=lambda f: (f.deterministic_severity is not Severity.BLOCKER, *order(f))
    )
    return (*(of(finding) for finding in facts_first), *(Known.of(finding, fixed=True) for finding in plan.fixed))


def _nothing(result: ReviewResult, pr: PullRequest, memory: Memory, *, status: bool) -> PostingPlan:
    """Nothing is posted: a trigger said so, or the team wants the result file only."""
    reason = "nothing is posted: " + ("the review was skipped" if result.outcome.skipped else "output.format is json")
    places = tuple(Placement(fp, "log", reason) for fp in dict.fromkeys(f.fingerprint for f in result.findings))
    return PostingPlan(
        result=result,
        head=pr.head_sha,
        memory=memory,
        placements=places,
        blocking=result.outcome.blocking,
        summary=False,
        status=status,
    )


# ---- what became of what was said before


def _once(now: Sequence[Finding], memory: Memory, head: str) -> tuple[Finding, ...]:
    """The findings, each once (two with one fingerprint can only come from a file that somebody wrote by hand), and
    new as long as the head is the one at which they were found first."""
    seen: dict[str, Finding] = {}
    for finding in now:
        fresh = memory.fresh.get(finding.fingerprint) == head or finding.fingerprint in memory.settled
        seen.setdefault(finding.fingerprint, replace(finding, state="new") if fresh else finding)
    return tuple(seen.values())


def _with_last(fixed: tuple[Finding, ...], memory: Memory, every: Sequence[Finding]) -> tuple[Finding, ...]:
    """A second run at the same head tells the same as fixed."""
    there = {f.fingerprint for f in (*every, *fixed)}
    return tuple(sorted((*fixed, *(f for f in memory.fixed if f.fingerprint not in there)), key=order))


def _silence(finding: Finding, heard: Mapping[str, Silence]) -> Silence | None:
    """Who silenced it: by its fingerprint, or by the beginning of it."""
    fp = finding.fingerprint
    found = heard.get(fp) or next((s for name, s in sorted(heard.items()) if fp.startswith(name)), None)
    return replace(found, fingerprint=fp) if found else None


def _unheard(memory: Memory, heard: Mapping[str, Silence]) -> int:
    return len({s.fingerprint for s in memory.said} - set(heard))


def _earlier(
    result: ReviewResult, now: Sequence[Finding], memory: Memory, heard: Mapping[str, Silence]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """(carried, fixed): what was open before and is not found now. Fixed is only what was looked at again."""
    found = {f.fingerprint for f in now}
    ignored = suppressed(result)
    seen = _Seen(result)
    carried: list[Finding] = []
    fixed: list[Finding] = []
    for fp, one in sorted(memory.known.items()):
        if fp in found or fp in ignored:
            continue
        finding = one.finding()
        silence = _silence(finding, heard)
        if seen.again(one):
            if silence is None:
                fixed.append(finding)
        elif silence is None or still_counts(finding, silence):
            carried.append(finding)
    return tuple(carried), tuple(sorted(fixed, key=order))


class _Seen:
    """What this run looked at, by pipeline."""

    def __init__(self, result: ReviewResult) -> None:
        self._complete = result.outcome.complete
        self._files = {file.path[:LONGEST_PATH]: file for file in result.files}
        self._ok = {p.name for p in result.pipelines if p.status == "ok" and not p.not_reviewed}
        self._partly = {
            p.name: {end[:LONGEST_PATH] for place in p.not_reviewed for end in (place, place.rpartition("#")[0])}
            for p in result.pipelines
            if p.status in ("ok", "partial") and p.not_reviewed
        }

    def again(self, one: Known) -> bool:
        """Whether all its pipelines looked at the whole file again, or the file is no longer part of the change."""
        file = self._files.get(one.path)
        if file is None:
            return self._complete and bool(self._files)
        if not file.reviewed or (file.reason is not None and one.deterministic_severity is None):
            return False
        return bool(one.sources) and all(
            name in self._ok or (name in self._partly and one.path not in self._partly[name]) for name in one.sources
        )


def _changed(result: ReviewResult, told: tuple[Finding, ...], quiet: Sequence[tuple[Finding, Silence]]) -> ReviewResult:
    """The result as it is told: with what people silenced among the dropped."""
    drops = []
    for finding, silence in quiet:
        entry = finding_as_json(finding) | {
            "fingerprint": finding.fingerprint,
            "sources": list(finding.sources),
            "deterministic": finding.deterministic,
            "suppressed_by": {"kind": "pull-request", "where": f"@{silence.who}", "reason": silence.reason},
        }
        drops.append(Dropped("suppressed", entry))
    return replace(result, findings=told, dropped=(*result.dropped, *drops))


def _verdict(plan: PostingPlan, output: Output, profile: Profile, *, may_approve: bool) -> Verdict:
    """What `review_action` asks for, as far as the platform and this token can."""
    high = any(f.severity.at_least(Severity(output.request_changes_threshold)) for f in plan.result.findings)
    if output.review_action == "request_changes" and high:
        return "request_changes" if Cap.REQUEST_CHANGES in profile.caps else "comment"
    if output.review_action == "approve" and may_approve and not high and not plan.blocking:
        complete = plan.result.outcome.complete and plan.result.outcome.ran
        return "approve" if complete and Cap.APPROVE in profile.caps else "comment"
    return "comment"
