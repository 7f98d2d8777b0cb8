"""The format `github`: workflow commands that the runner of GitHub Actions turns into annotations.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands

This is the one output whose lines a runner is meant to obey: each is made by `infra.text.to_command`, in which a text
cannot end its command. The plain lines between them pass `to_terminal`, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loom.core.finding import Finding, Severity
from loom.core.result import Notice, ReviewResult
from loom.infra.text import one_line, to_command, to_terminal
from loom.outputs import summary
from loom.outputs.addresses import also, relative_path, rule_id, web_address
from loom.outputs.base import Look

PER_STEP = 10
"""Of each level. "10 warning annotations, 10 error annotations, and 10 notice annotations per step; 50 annotations per
job" (https://github.com/actions/toolkit/blob/main/docs/problem-matchers.md): what comes after is dropped silently."""
_MESSAGE_LIMIT = 3_800  # the runner cuts at 4,096 (_maxIssueMessageLength in actions/runner ExecutionContext.cs)
_TITLE_LIMIT = 200  # 255 in the checks API
_MOST = 12

_LEVEL = {Severity.BLOCKER: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


@dataclass(frozen=True, slots=True)
class _Note:
    """An annotation about the run, not about a line."""

    level: str
    text: str


def render(result: ReviewResult, look: Look) -> str:
    """Annotations, the worst first; what the step may not annotate follows as plain lines; the verdict at the end.
    Nothing depends on `look`."""
    return "".join(f"{line}\n" for line in _lines(result))


def _lines(result: ReviewResult) -> Iterator[str]:
    note = _run_note(result)
    if note:
        yield to_command(note.level, {"title": "Loom"}, note.text)
    shown, rest = _dealt(result.findings, note.level if note else "")
    yield from map(_annotation, shown)
    if rest:
        yield to_command("notice", {"title": f"Loom: {summary.plural(len(rest), 'more finding')}"}, _about_rest(rest))
        yield to_command("group", {}, summary.plural(len(rest), "more finding"))
        yield from map(_plain, rest)
        yield to_command("endgroup", {}, "")
    for notice in result.warnings:
        yield _line(f"note: {_said(notice)}", 1_000)
    for aside in (summary.dropped(result), summary.masked(result)):
        if aside:
            yield _line(f"note: {aside}", 600)
    yield _line(summary.verdict(result).text, 600)


def _dealt(findings: Sequence[Finding], spent: str) -> tuple[list[Finding], list[Finding]]:
    """Those that get an annotation, and the rest. `spent`: a level of which one is gone."""
    room = {level: PER_STEP - (level == spent) for level in _LEVEL.values()}
    counts = {level: sum(1 for f in findings if _LEVEL[f.severity] == level) for level in room}
    if any(counts[level] > room[level] for level in room):
        room["notice"] -= 1  # for the one that says how many more there are
    shown: list[Finding] = []
    rest: list[Finding] = []
    for finding in findings:
        level = _LEVEL[finding.severity]
        room[level] -= 1
        (shown if room[level] >= 0 else rest).append(finding)
    return shown, rest


def _about_rest(rest: Sequence[Finding]) -> str:
    return (
        f"{summary.found(rest)} without an annotation: GitHub shows {PER_STEP} errors, {PER_STEP} warnings and "
        f"{PER_STEP} notices a step, the worst are shown. The rest is listed in the log of this step, and stands in "
        "the files that --output writes."
    )


# ---- one finding


def _annotation(finding: Finding) -> str:
    properties: dict[str, str | int] = {"file": one_line(relative_path(finding.path), 1_000)}
    if finding.line is not None and finding.side == "new" and properties["file"]:
        properties["line"] = finding.line
        if finding.end_line and finding.end_line > finding.line:
            properties["endLine"] = finding.end_line
        elif finding.column:  # "columns only if start_line == end_line"
            properties["col"] = finding.column
    properties["title"] = one_line(finding.title or rule_id(finding), _TITLE_LIMIT)
    return to_command(_LEVEL[finding.severity], properties, _message(finding))


def _message(finding: Finding) -> str:
    said = [finding.message.strip() or finding.title]
    if finding.side == "old" and finding.line:
        said.insert(0, f"(About removed line {finding.line}.)")
    if suggestion := finding.suggestion:
        proof = "" if suggestion.committable else " (not proved to apply)"
        said.append(f"Suggestion for {summary.lines(suggestion)}{proof}:\n{suggestion.text or '(delete)'}")
    sources = ", ".join(one_line(source, 60) for source in finding.sources or (finding.pipeline,))
    state = ", still open" if finding.state == "open" else ""
    link = web_address(finding.rule_url)
    tail = [f"[{rule_id(finding)}] found by {sources}{state}", *([link] if link else [])]
    tail += [f"also {other}" for other in also(finding)]
    about = "\n".join(tail)[:_MESSAGE_LIMIT]
    text = "\n\n".join(said)
    room = max(0, _MESSAGE_LIMIT - len(about) - 2)
    return f"{text if len(text) <= room else f'{text[:room].rstrip()}…'}\n\n{about}"


def _plain(finding: Finding) -> str:
    title = one_line(finding.title or finding.message, 300)
    return _line(f"{summary.place(finding)}: {finding.severity.value}: {title} [{rule_id(finding)}]", 1_000)


# ---- the run


def _run_note(result: ReviewResult) -> _Note | None:
    """What must not pass for a clean review. A review that was not meant to run is worth a notice."""
    outcome, verdict = result.outcome, summary.verdict(result)
    if not outcome.ran and outcome.skipped is None:
        return _Note("error", "\n".join([verdict.text, *_missing(result)]))
    if not outcome.complete or outcome.delivered is False:
        return _Note("warning", "\n".join([verdict.text, *_missing(result)]))
    return _Note("notice", verdict.text) if verdict.tone == "nothing" else None


def _missing(result: ReviewResult) -> list[str]:
    rows = [f"error: {_said(notice)}" for notice in result.errors]
    for gap in summary.gaps(result):
        who = f" by {one_line(gap.who, 200)} ({gap.pipeline.status})" if gap.pipeline else ""
        hint = f" ({gap.hint})" if gap.hint else ""
        paths = f": {summary.listed(gap.paths[:6], 6)}" if gap.paths else ""
        more = f" and {len(gap.paths) - 6:,} more" if len(gap.paths) > 6 else ""
        rows.append(one_line(f"{gap.word}{who}: {gap.reason}{hint}{paths}{more}", 400))
    return rows[:_MOST] + ([f"and {len(rows) - _MOST:,} more"] if len(rows) > _MOST else [])


def _said(notice: Notice) -> str:
    who = f"{notice.pipeline}: " if notice.pipeline else ""
    return one_line(f"{who}{notice.message}" + (f" ({notice.hint})" if notice.hint else ""), 600)


def _line(text: str, limit: int) -> str:
    return to_terminal(one_line(text, limit))
