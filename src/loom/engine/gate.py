"""What a review comes to: the bar, the outcome and the exit code. Pure; the table is docs/exit-codes.md."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from loom.core.finding import Finding, Severity
from loom.core.result import Outcome, PipelineOutcome

Bar = Literal["blocker", "warning", "info", "never"]


class Exit(enum.IntEnum):
    """Exit codes: a published promise. The first that applies wins, in the order usage, blocking, undelivered,
    incomplete, ok."""

    OK = 0
    BLOCKING = 1
    USAGE = 2
    INCOMPLETE = 3
    UNDELIVERED = 4
    INTERNAL = 70
    INTERRUPTED = 130


def reaches_bar(finding: Finding, *, fail_on: Bar, fail_on_model: Bar) -> bool:
    """Deterministic findings are facts and count by their own worst severity, whatever a model adds; what only models
    claim counts apart."""
    if finding.deterministic_severity is not None:
        return _at(finding.deterministic_severity, fail_on)
    return _at(finding.severity, fail_on_model)


def outcome(
    *,
    blocking: bool,
    pipelines: Iterable[PipelineOutcome],
    unread: bool,
    delivered: bool | None = None,
    skipped: str | None = None,
    allow_incomplete: bool = False,
) -> Outcome:
    """The four facts and the code. `unread`: a part of the change was not reviewed for size or failure."""
    complete = not unread and all(p.status in ("ok", "skipped") for p in pipelines if p.required)
    if blocking:
        code = Exit.BLOCKING
    elif delivered is False:
        code = Exit.UNDELIVERED
    elif not complete and not allow_incomplete:
        code = Exit.INCOMPLETE
    else:
        code = Exit.OK
    return Outcome(
        ran=skipped is None,
        complete=complete,
        blocking=blocking,
        delivered=delivered,
        skipped=skipped,
        exit_code=int(code),
    )


def _at(severity: Severity, bar: Bar) -> bool:
    return bar != "never" and severity.at_least(Severity(bar))


def interrupted(so_far: Outcome) -> Outcome:
    """The outcome of a review that was stopped by hand: nothing of it is complete."""
    return replace(so_far, complete=False, exit_code=int(Exit.INTERRUPTED))
