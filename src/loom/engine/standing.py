"""What a review comes to once it was posted: its status on the platform, its outcome and exit code. Pure; the table is
docs/exit-codes.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from loom.core.finding import Finding
from loom.core.marker import digest
from loom.core.result import Outcome, ReviewResult
from loom.engine.gate import Exit
from loom.infra.text import one_line, to_comment, to_terminal
from loom.outputs import summary
from loom.platforms.values import Note, Status, StatusState

_TITLE = 140
"""Characters of a status on one line: GitHub cuts there."""


def state_of(outcome: Outcome) -> StatusState:
    """What a review's outcome looks like from outside. Only what was looked at wholly and arrived is a success."""
    if outcome.blocking:
        return "failure"
    if outcome.skipped is not None or not outcome.complete or outcome.delivered is False:
        return "neutral"
    return "success"


def status_of(
    result: ReviewResult, notes: Iterable[Finding] = (), *, url: str | None = None, second_stage: bool = False
) -> Status | None:
    """The status to post, with `notes` as its annotations. None where another run will post it: `second_stage` says
    that a trusted job comes after this one and runs what had to be skipped here."""
    if second_stage and any(p.kind == "llm" and p.status == "skipped" for p in result.pipelines):
        return None
    text = summary.verdict(result).text
    return Status(
        state=state_of(result.outcome),
        title=one_line(text, _TITLE),
        summary=to_comment(one_line(text, 1_000)),
        url=url,
        notes=tuple(_note(finding) for finding in notes),
    )


def digest_of(status: Status) -> str:
    """What a status says, to tell whether it has to be posted again."""
    return digest(status.state, status.title, *(note.fingerprint for note in status.notes))


def concluded(outcome: Outcome, *, blocking: bool, delivered: bool | None, allow_incomplete: bool = False) -> Outcome:
    """The outcome with what people decided and what arrived. An interrupt stays one."""
    if outcome.exit_code == Exit.INTERRUPTED:
        code = Exit.INTERRUPTED
    elif blocking:
        code = Exit.BLOCKING
    elif delivered is False:
        code = Exit.UNDELIVERED
    elif not outcome.complete and not allow_incomplete:
        code = Exit.INCOMPLETE
    else:
        code = Exit.OK
    return replace(outcome, blocking=blocking, delivered=delivered, exit_code=int(code))


def stale(outcome: Outcome, why: str) -> Outcome:
    """The outcome of a review whose head moved before anything was posted: another run is on its way."""
    return replace(outcome, blocking=False, delivered=None, skipped=f"stale: {why}", exit_code=int(Exit.OK))


def _note(finding: Finding) -> Note:
    return Note(
        fingerprint=finding.fingerprint,
        path=finding.path,
        line=finding.line if finding.side == "new" else None,
        end_line=finding.end_line if finding.side == "new" else None,
        severity=finding.severity.value,
        title=one_line(finding.title or finding.message, 200),
        message=to_terminal(finding.message),  # shown as plain text, and some runners print it in their log
        rule_url=finding.rule_url,
    )
