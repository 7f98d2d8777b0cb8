"""The plain form of `text`, for CI logs, pipes and narrow screens: one `path:line: severity: title [rule]` a finding,
so that grep and editors can read it, with its message below.

A CI runner reads its log for commands: `to_terminal` breaks them, and every line but a finding's first starts with
words of ours or a bar.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from loom.core.finding import Finding
from loom.core.result import Notice, PipelineOutcome, ReviewResult
from loom.infra.text import one_line, to_terminal
from loom.outputs import summary
from loom.outputs.addresses import also
from loom.outputs.base import Look

_BAR = "    | "
_NAMED = 12
"""Files of one reason that are named before the rest is counted."""
_MOST = 50
"""Files that one pipeline did not see, likewise."""


def render(result: ReviewResult, look: Look) -> str:
    """The whole review as plain lines."""
    text = "\n".join(_lines(result, look)) + "\n"
    return text if look.unicode else text.encode("ascii", "backslashreplace").decode("ascii")


def _lines(result: ReviewResult, look: Look) -> Iterator[str]:
    verdict = summary.verdict(result)
    body = list(_body(result, look))
    if verdict.tone in ("incomplete", "nothing"):  # the first line of a failure says whether anything was reviewed
        yield _line(verdict.text, 600)
    yield from body
    if body or verdict.tone not in ("incomplete", "nothing"):
        yield _line(verdict.text, 600)
    if verdict.tone == "clean":
        yield _line(f"looked at by {summary.who(result.pipelines)}", 600)


def _body(result: ReviewResult, look: Look) -> Iterator[str]:
    for finding in result.findings:
        yield from _finding(finding, look)
    for gap in summary.gaps(result):
        yield from _gap(gap)
    for notice in result.errors:
        yield _notice("error", notice)
    for notice in result.warnings:
        yield _notice("note", notice)
    for aside in (summary.dropped(result), summary.masked(result)):
        if aside:
            yield _line(f"note: {aside}", 600)
    for pipeline in summary.at_work(result):
        yield _pipeline(pipeline, result)
    if counted := _counts(result):
        yield counted
    if result.pipelines and (spent := summary.spent(result)):
        yield f"spent: {spent}"


def _line(text: str, limit: int = 300) -> str:
    return to_terminal(one_line(text, limit))


def _finding(finding: Finding, look: Look) -> Iterator[str]:
    title = one_line(finding.title or finding.message, 300)
    state = " (still open)" if finding.state == "open" else ""
    removed = " (removed line)" if finding.side == "old" else ""
    source = finding.rule or finding.pipeline
    yield _line(f"{summary.place(finding)}: {finding.severity.value}: {title}{removed}{state} [{source}]", 1000)
    if one_line(finding.message, 300) != title:
        yield from _block(finding.message, look)
    if suggestion := finding.suggestion:
        proof = "" if suggestion.committable else " (not proved to apply)"
        yield f"{_BAR}suggestion for {summary.lines(suggestion)}{proof}:"
        yield from _block(suggestion.text or "(delete them)", look, margin="  ", wrap=False)
    if finding.rule_url:
        yield _BAR + _line(finding.rule_url)
    for other in also(finding):
        yield _BAR + _line(f"also {other}", 600)


def _block(text: str, look: Look, *, margin: str = "", wrap: bool = True) -> Iterator[str]:
    """Untrusted lines behind a bar; wrapped only where somebody looks at a narrow screen."""
    for line in to_terminal(text).strip("\n").split("\n"):
        room = look.width - len(_BAR)
        parts = textwrap.wrap(line, max(room, 20)) if wrap and look.interactive else [line]
        for part in parts or [""]:
            yield f"{_BAR}{margin}{part}".rstrip()


def _gap(gap: summary.Gap) -> Iterator[str]:
    """One line a reason: a thousand files that --paths left out are one thing to know."""
    if gap.pipeline is None:
        if len(gap.paths) == 1:
            yield _line(f"{gap.word}: {gap.paths[0]}: {gap.reason}", 600)
        else:
            yield _line(f"{gap.word}: {summary.plural(len(gap.paths), 'file')}: {gap.reason}", 600)
            yield _BAR + _line(summary.listed([one_line(path, 300) for path in gap.paths], _NAMED), 2000)
        return
    yield _line(f"{gap.word} by {gap.who} ({gap.pipeline.status}): {gap.reason}", 600)
    if gap.hint:
        yield _BAR + _line(gap.hint, 600)
    for path in gap.paths[:_MOST]:
        yield _BAR + _line(path)
    if len(gap.paths) > _MOST:
        yield f"{_BAR}and {len(gap.paths) - _MOST:,} more"


def _notice(word: str, notice: Notice) -> str:
    who = f"{notice.pipeline}: " if notice.pipeline else ""
    hint = f" ({notice.hint})" if notice.hint else ""
    return _line(f"{word}: {who}{notice.message}{hint}", 1000)


def _pipeline(pipeline: PipelineOutcome, result: ReviewResult) -> str:
    found = sum(1 for f in result.findings if pipeline.name in (f.sources or (f.pipeline,)))
    parts = [pipeline.status, *([pipeline.model] if pipeline.model else []), f"{found} found"]
    if pipeline.requests:
        parts.append(summary.plural(pipeline.requests, "request"))
        parts.append(f"{summary.tokens(pipeline.input_tokens)} + {summary.tokens(pipeline.output_tokens)} tokens")
        parts.append(summary.money(pipeline.cost_usd))
    if pipeline.cache_hits:
        parts.append(f"{pipeline.cache_hits} cached")
    if pipeline.duration_ms:
        parts.append(summary.duration(pipeline.duration_ms))
    return _line(f"pipeline {pipeline.name}: {', '.join(parts)}", 400)


def _counts(result: ReviewResult) -> str:
    if not result.findings and not result.fixed:
        return ""
    new = sum(c.new for c in summary.counts(result))
    still = sum(c.open for c in summary.counts(result))
    return f"findings: {new} new, {still} still open, {len(result.fixed)} fixed"
