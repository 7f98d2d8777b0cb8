"""Put a review's outcome together as one ReviewResult. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from loom.core.change import ChangeSet
from loom.core.diff import FileChange, show_path
from loom.core.finding import Finding
from loom.core.result import (
    LEFT_OUT,
    NOBODY,
    NOT_ASKED,
    NOT_SEEN,
    Dropped,
    Notice,
    Outcome,
    PipelineOutcome,
    ResultFile,
    ResultHunk,
    ReviewResult,
    Usage,
)
from loom.engine.masking import mask_all, remembering
from loom.engine.plan import Plan
from loom.engine.run import PipelineRun
from loom.engine.show_diff import one_line
from loom.engine.view import FileView, MaskedChange


@dataclass(frozen=True, slots=True)
class Report:
    """The change as the result tells it."""

    change: ChangeSet
    masked: MaskedChange
    with_diff: bool
    left_out: Callable[[str], object | None]
    """Path -> what left the file out of the review; None for one that is in it."""


def build(
    report: Report,
    *,
    plan: Plan,
    runs: Sequence[PipelineRun],
    config_hash: str,
    tool_version: str,
    outcome: Outcome,
    findings: tuple[Finding, ...],
    fixed: tuple[str, ...],
    dropped: tuple[Dropped, ...],
    notices: Iterable[Notice],
    timings_ms: Mapping[str, int],
    mask: Callable[[str], str],
) -> ReviewResult:
    """The result. `mask` goes over every text but the hunks, which are masked: no output ever carries a secret."""
    mask = remembering(mask)
    outcomes = tuple(mask_all(run.outcome, mask) for run in runs if run.outcome is not None)
    said = [notice for run in runs for notice in (*run.notices, *_notes(run))]
    unread = [_unread(u.path, u.reason) for u in report.change.unread]
    result = ReviewResult(
        tool_version=tool_version,
        change=report.change.ref,
        config_hash=config_hash,
        outcome=outcome,
        files=_files(report, plan, outcomes),
        findings=findings,
        fixed=fixed,
        dropped=dropped,
        pipelines=outcomes,
        redactions=report.masked.redactions,
        timings_ms=timings_ms,
        usage=_usage(outcomes),
        warnings=tuple(dict.fromkeys((*notices, *said))),
        errors=(*unread, *_failures(outcomes)),
    )
    return mask_all(result, mask)


def _files(report: Report, plan: Plan, outcomes: Sequence[PipelineOutcome]) -> tuple[ResultFile, ...]:
    seen = _Seen(report, plan, outcomes)
    entries = []
    for file in report.change.files:
        view = report.masked.views[file.path]
        reviewed, reason = _reviewed(file, view, report, plan, seen)
        entries.append(_file(file, view, reviewed=reviewed, reason=reason, with_hunks=report.with_diff))
    return tuple(entries)


def _reviewed(file: FileChange, view: FileView, report: Report, plan: Plan, seen: _Seen) -> tuple[bool, str | None]:
    """Whether the file was looked at, and why not, or not by all."""
    if (by := report.left_out(file.path)) is not None:
        return False, f"{LEFT_OUT}{by}"
    if file.unreadable is not None:
        return False, file.unreadable
    if file.path in plan.left_out:
        return False, plan.left_out[file.path]
    if missed := seen.missed(view):
        return seen.in_spite_of(missed, file, view)
    if file.path in plan.policy:
        return seen.by_tool(file, view), f"{plan.policy[file.path]}: {NOT_ASKED}"
    reviewed = seen.by_tool(file, view) or seen.by_model(file, view)
    return reviewed, None if reviewed else NOBODY


class _Seen:
    """Which pipelines looked at which files, and which did not though they should have."""

    def __init__(self, report: Report, plan: Plan, outcomes: Sequence[PipelineOutcome]) -> None:
        ran = {o.name for o in outcomes if o.status in ("ok", "partial")}
        self._models = {o.name for o in outcomes if o.kind == "llm"}
        self._missed = _missed(outcomes)
        self._analyzed = {
            (work.pipeline.name, f.path)
            for work in plan.analyzers
            if work.pipeline.name in ran
            for f in work.change.files
        }
        self._analyzers = tuple(dict.fromkeys(work.pipeline.name for work in plan.analyzers))
        self._asked = {f.path for work in plan.models if work.pipeline.name in ran for c in work.chunks for f in c}

    def missed(self, view: FileView) -> list[str]:
        """Pipelines that did not look at it, or not at all of it."""
        return self._missed.get(one_line(view.path), [])

    def by_tool(self, file: FileChange, view: FileView) -> bool:
        """Whether an analyzer looked at all of it."""
        missed = self.missed(view)
        return any((name, file.path) in self._analyzed for name in self._analyzers if name not in missed)

    def by_model(self, file: FileChange, view: FileView) -> bool:
        """Whether a model was asked about it."""
        return view.path in self._asked or show_path(file.path) in self._asked  # redaction on, off

    def in_spite_of(self, missed: Sequence[str], file: FileChange, view: FileView) -> tuple[bool, str]:
        """What one tool missed is reviewed when others saw it. What a model missed is not: the analyzers that look at
        every file do not make up for it."""
        by_others = not self._models.intersection(missed) and (self.by_tool(file, view) or self.by_model(file, view))
        return by_others, f"{NOT_SEEN if by_others else 'not reviewed by '}{', '.join(missed)}"


def _missed(outcomes: Sequence[PipelineOutcome]) -> dict[str, list[str]]:
    """Path, on one line as hunk ids have it -> which pipelines did not look at it, or not at all of it."""
    by_path: dict[str, list[str]] = {}
    for outcome in outcomes:
        for place in outcome.not_reviewed:
            path = one_line(place.rpartition("#")[0] or place)
            names = by_path.setdefault(path, [])
            if outcome.name not in names:
                names.append(outcome.name)
    return by_path


def _file(file: FileChange, view: FileView, *, reviewed: bool, reason: str | None, with_hunks: bool) -> ResultFile:
    hunks = tuple(
        ResultHunk(
            old_start=hunk.old_start,
            new_start=hunk.new_start,
            section=shown.section,
            lines=tuple((line.kind, line.text) for line in shown.lines),
        )
        for hunk, shown in zip(file.hunks, view.hunks, strict=True)
    )
    return ResultFile(
        path=view.path,
        old_path=view.old_path,
        status=file.status,
        added=file.added,
        deleted=file.deleted,
        binary=file.binary,
        reviewed=reviewed,
        reason=reason,
        commentable=_ranges(hunk.new_start + k for hunk in file.hunks for k in range(hunk.new_count)),
        hunks=hunks if with_hunks else (),
    )


def _ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers as "41-43,60"."""
    ranges: list[list[int]] = []
    for n in numbers:
        if ranges and n == ranges[-1][1] + 1:
            ranges[-1][1] = n
        else:
            ranges.append([n, n])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def _usage(outcomes: Sequence[PipelineOutcome]) -> Usage:
    """Totals. The cost is known only when every pipeline that asked knows its own."""
    asking = [o for o in outcomes if o.kind == "llm" and (o.requests or o.cache_hits)]
    costs = [o.cost_usd for o in asking]
    return Usage(
        requests=sum(o.requests for o in outcomes),
        input_tokens=sum(o.input_tokens for o in outcomes),
        output_tokens=sum(o.output_tokens for o in outcomes),
        cost_usd=sum(c for c in costs if c is not None) if asking and None not in costs else None,
        cache_hits=sum(o.cache_hits for o in outcomes),
    )


def _notes(run: PipelineRun) -> list[Notice]:
    name = run.pipeline.name
    return [Notice("model-note", note, pipeline=name) for note in run.asked.notes]


def _failures(outcomes: Sequence[PipelineOutcome]) -> list[Notice]:
    return [
        Notice(f"pipeline-{o.status}", o.reason or "no reason given", hint=o.hint, pipeline=o.name)
        for o in outcomes
        if o.status in ("failed", "partial")
    ]


def _unread(path: str | None, reason: str) -> Notice:
    where = show_path(path) if path is not None else "a part of the diff"
    return Notice("unread", f"{where} could not be read: {reason}")
