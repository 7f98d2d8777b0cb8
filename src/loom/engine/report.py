"""Put a review's outcome together as one ReviewResult. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from loom.core.change import ChangeSet
from loom.core.diff import FileChange, show_path
from loom.core.finding import Finding
from loom.core.result import (
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
    in_scope: Sequence[FileChange]
    masked: MaskedChange
    with_diff: bool


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
    in_scope = {f.path for f in report.in_scope}
    missed = _missed(outcomes)
    ran = {o.name for o in outcomes if o.status in ("ok", "partial")}
    analyzed = {f.path for work in plan.analyzers if work.pipeline.name in ran for f in work.change.files}
    asked = {f.path for work in plan.models if work.pipeline.name in ran for chunk in work.chunks for f in chunk}
    entries = []
    for file in report.change.files:
        view = report.masked.views[file.path]
        reason: str | None
        if file.path not in in_scope:
            reviewed, reason = False, "left out by triggers or --paths"
        elif file.unreadable is not None:
            reviewed, reason = False, file.unreadable
        elif file.path in plan.left_out:
            reviewed, reason = False, plan.left_out[file.path]
        elif one_line(view.path) in missed:
            reviewed, reason = False, missed[one_line(view.path)]
        elif file.path in plan.policy:
            reviewed, reason = file.path in analyzed, f"{plan.policy[file.path]}: models are not asked about it"
        else:
            reviewed = file.path in analyzed or bool({view.path, show_path(file.path)} & asked)  # redaction on, off
            reason = None if reviewed else "no pipeline looked at it"
        entries.append(_file(file, view, reviewed=reviewed, reason=reason, with_hunks=report.with_diff))
    return tuple(entries)


def _missed(outcomes: Sequence[PipelineOutcome]) -> dict[str, str]:
    """Path, on one line as hunk ids have it -> which pipelines did not look at it, or not at all of it."""
    by_path: dict[str, list[str]] = {}
    for outcome in outcomes:
        for place in outcome.not_reviewed:
            path = one_line(place.rpartition("#")[0] or place)
            names = by_path.setdefault(path, [])
            if outcome.name not in names:
                names.append(outcome.name)
    return {path: f"not reviewed by {', '.join(names)}" for path, names in by_path.items()}


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
