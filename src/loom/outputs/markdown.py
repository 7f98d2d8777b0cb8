"""The format `markdown`: the review as one comment or job summary, for forges that render Markdown and HTML's
`<details>`. It stays under the size that a comment may have: what does not fit is counted, never just gone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from loom.core.finding import Finding, Severity
from loom.core.result import Notice, PipelineOutcome, ResultFile, ReviewResult
from loom.infra.text import code_fence, one_line, to_comment, to_html, to_terminal
from loom.outputs import summary
from loom.outputs.addresses import also, web_address
from loom.outputs.base import Look
from loom.outputs.excerpt import by_path, excerpt

LIMIT = 60_000
"""Characters of the whole. GitHub refuses over 65,536 ("body is too long")."""
_EACH = 4_000
"""Characters of one message."""
_MOST = 30
"""Lines of a list before it is cut."""

_ICON = {Severity.BLOCKER: "🛑", Severity.WARNING: "⚠️", Severity.INFO: "💡"}  # no image: foreign hosts see readers
_TONE = {"clean": "✅", "findings": "⚠️", "blocked": "🛑", "incomplete": "🌓", "nothing": "⭕"}
_STATUS = {"ok": "ok", "partial": "**partial**", "failed": "**failed**", "skipped": "skipped"}


def render(result: ReviewResult, look: Look) -> str:
    """The review as Markdown. Nothing depends on `look`."""
    files = by_path(result)
    head = [*_head(result)]
    sections = [*_gaps(result), *_notices(result), *_summaries(result), *_pipelines(result)]
    tail = _fit(sections, len(sections), LIMIT // 2, "sections")
    room = LIMIT - _size(head) - _size(tail) - 200
    table = _table(result.findings, room // 2)
    details = (_details(finding, files) for finding in result.findings)
    body = [*table, *_fit(details, len(result.findings), room - _size(table), "findings' details")]
    text = "\n\n".join([*head, *body, *tail]) + "\n"
    return to_terminal(text)  # printed in a CI job, a line of it could be a command for the runner


def _size(blocks: Sequence[str]) -> int:
    return sum(len(block) + 2 for block in blocks)


def _fit(blocks: Iterable[str], total: int, room: int, what: str) -> list[str]:
    """The first of `total` blocks that fit into `room` characters; a last line counts those that do not."""
    kept: list[str] = []
    for block in blocks:
        room -= len(block) + 2
        if room < 0:
            return [*kept, f"*{total - len(kept):,} more {what} in the result file.*"]
        kept.append(block)
    return kept


# ---- untrusted text in its places


def _inline(text: str, limit: int = 300) -> str:
    """Within a line, a table's cell or a heading."""
    return _cell(to_comment(one_line(text, limit)).replace("\n", " "))


def _cell(text: str) -> str:
    """Every `|` after an odd number of backslashes: in a table it else ends the cell, also within code."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\|", r"\1\\|", text)


def _code(text: str, limit: int = 300) -> str:
    """As inline code; a back-quote in it needs a longer fence."""
    flat = _cell(one_line(text, limit))
    if not flat:
        return ""
    fence = "`" * (max(map(len, re.findall("`+", flat)), default=0) + 1)
    pad = " " if "`" in flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


# In raw HTML a forge still links mentions and references, but reads no Markdown.
_REFERENCE = re.compile(r"[@~](?=\w)|[#!%$](?=\d)|:(?=//)|\bGH-(?=\d)|\bwww(?=\.)")


def _html(text: str, limit: int = 160) -> str:
    """Within an HTML tag's content, such as `<summary>`."""
    return _REFERENCE.sub(lambda found: f"{found[0]}&#8203;", to_html(one_line(text, limit)))


# ---- sections


def _head(result: ReviewResult) -> Iterator[str]:
    verdict = summary.verdict(result)
    yield f"## Loom: {_TONE[verdict.tone]} {_inline(verdict.text, 600)}"
    about = [_inline(summary.about(result), 150)]
    if result.findings or result.fixed:
        new = sum(count.new for count in summary.counts(result))
        about.append(f"{new} new, {len(result.findings) - new} still open, {len(result.fixed)} fixed")
    elif verdict.tone == "clean":
        about.append(f"looked at by {_inline(summary.who(result.pipelines))}")
    yield " · ".join(about)


def _table(findings: Sequence[Finding], room: int) -> list[str]:
    if not findings:
        return []
    rows = ["| | where | what | found by |", "|---|---|---|---|"]
    room -= sum(len(row) + 1 for row in rows)
    for count, finding in enumerate(findings):
        sources = ", ".join(_inline(source, 40) for source in (finding.sources or (finding.pipeline,))[:4])
        where, what = _code(summary.place(finding), 120), _inline(finding.title or finding.message, 160)
        row = f"| {_ICON[finding.severity]} {finding.severity.value} | {where} | {what} | {sources} |"
        room -= len(row) + 1
        if room < 0:
            rest = len(findings) - count
            rows.append(f"| | | *{summary.plural(rest, 'more finding')} in the result file* | |")
            break
        rows.append(row)
    return ["\n".join(rows)]


def _details(finding: Finding, files: Mapping[str, ResultFile]) -> str:
    title = _html(finding.title or finding.message)
    blocks = [
        f"<details>\n<summary>{_ICON[finding.severity]} <b>{title}</b> "
        f"<code>{_html(summary.place(finding))}</code></summary>",
        *_code_around(finding, files),
        to_comment(finding.message, limit=_EACH) if finding.message.strip() != finding.title.strip() else "",
        *_suggestion(finding),
        " · ".join(_about(finding)),
        *_rules(finding),
        "</details>",
    ]
    return "\n\n".join(block for block in blocks if block.strip())


def _code_around(finding: Finding, files: Mapping[str, ResultFile]) -> Iterator[str]:
    rows = excerpt(finding, files.get(finding.path))
    if rows:
        yield code_fence("\n".join("…" if row is None else f"{row.kind}{row.text}" for row in rows), "diff")


def _suggestion(finding: Finding) -> Iterator[str]:
    if suggestion := finding.suggestion:
        proof = "" if suggestion.committable else " (not proved to apply, read it first)"
        if suggestion.text:
            yield f"Suggestion for {summary.lines(suggestion)}{proof}:"
            yield code_fence(suggestion.text)
        else:
            yield f"Suggestion: delete {summary.lines(suggestion)}{proof}."


def _about(finding: Finding) -> Iterator[str]:
    yield f"{finding.severity.value}, {finding.category}"
    yield "found by " + ", ".join(_inline(source, 60) for source in finding.sources or (finding.pipeline,))
    if finding.rule:
        yield _code(finding.rule, 120)
    if finding.side == "old":
        yield "a removed line"
    if finding.anchor == "moved":
        yield "line corrected"
    if finding.confidence is not None and not finding.deterministic:
        yield f"{round(finding.confidence * 100)} % sure"
    if finding.state == "open":
        yield "still open"
    yield _code(finding.fingerprint, 40)


def _rules(finding: Finding) -> Iterator[str]:
    """Where the rules are explained: addresses as code, since no link of theirs may be one here."""
    rows = [link] if (link := web_address(finding.rule_url)) else []
    rows += [f"also {other}" for other in also(finding)[:_MOST]]
    if rows:
        yield "\n".join(f"- {_code(row, 400)}" for row in rows)


def _gaps(result: ReviewResult) -> Iterator[str]:
    gaps = summary.gaps(result)
    lacking = [gap for gap in gaps if gap.lacking]
    for heading, some in (("Not reviewed", lacking), ("Left out", [gap for gap in gaps if not gap.lacking])):
        if some:
            rows = [f"**{heading}**", "", *map(_gap, some[:_MOST])]
            rows += [f"- {len(some) - _MOST:,} more in the result file"] if len(some) > _MOST else []
            yield "\n".join(rows)


def _gap(gap: summary.Gap) -> str:
    who = f"{_code(gap.who, 300)} {_STATUS[gap.pipeline.status]}: " if gap.pipeline else ""
    hint = f" ({_inline(gap.hint, 200)})" if gap.hint else ""
    count = f"{len(gap.paths):,} files: " if len(gap.paths) > 6 else ""
    paths = summary.listed([_code(path, 100) for path in gap.paths], 6)
    return f"- {who}{_inline(gap.reason)}{hint}" + (f": {count}{paths}" if paths else "")


def _notices(result: ReviewResult) -> Iterator[str]:
    notices = [*(("Error", n) for n in result.errors), *(("Note", n) for n in result.warnings)]
    rows = [_notice(word, notice) for word, notice in notices[:_MOST]]
    if len(notices) > _MOST:
        rows.append(f"- {len(notices) - _MOST:,} more in the result file")
    rows += [f"- {_inline(text, 400)}" for text in (summary.dropped(result), summary.masked(result)) if text]
    if rows:
        yield "\n".join(["**Notes**", "", *rows])


def _notice(word: str, notice: Notice) -> str:
    who = f"{_code(notice.pipeline, 60)}: " if notice.pipeline else ""
    hint = f" ({_inline(notice.hint, 200)})" if notice.hint else ""
    return f"- **{word}:** {who}{_inline(notice.message)}{hint}"


def _summaries(result: ReviewResult) -> Iterator[str]:
    for pipeline in result.pipelines:
        if pipeline.summary.strip():
            yield f"**In short, says {_code(pipeline.name, 60)}**\n\n{to_comment(pipeline.summary, limit=_EACH)}"


def _pipelines(result: ReviewResult) -> Iterator[str]:
    pipelines = summary.at_work(result)
    if not pipelines:
        return
    spent = summary.spent(result)
    rows = [
        "| pipeline | status | model | found | requests | cached | tokens in | out | cost | time |",
        "|---|---|---|" + "--:|" * 7,
    ]
    rows += [_pipeline(pipeline, result) for pipeline in pipelines[:_MOST]]
    if len(pipelines) > _MOST:
        rows.append(f"| {len(pipelines) - _MOST:,} more" + " |" * 10)
    heading = f"Pipelines: {spent}" if spent else "Pipelines"
    yield "<details>\n<summary>" + heading + "</summary>\n\n" + "\n".join(rows) + "\n\n</details>"


def _pipeline(pipeline: PipelineOutcome, result: ReviewResult) -> str:
    asked = pipeline.requests > 0
    unknown = pipeline.cost_usd is None
    cells = (
        _code(pipeline.name, 60),
        _STATUS[pipeline.status],
        _code(pipeline.model or "", 60),
        str(sum(1 for f in result.findings if pipeline.name in (f.sources or (f.pipeline,)))),
        str(pipeline.requests) if asked else "",
        str(pipeline.cache_hits) if pipeline.cache_hits else "",
        summary.tokens(pipeline.input_tokens) if asked else "",
        summary.tokens(pipeline.output_tokens) if asked else "",
        ("unknown" if unknown else summary.money(pipeline.cost_usd)) if asked else "",
        summary.duration(pipeline.duration_ms) if pipeline.duration_ms else "",
    )
    return f"| {' | '.join(cells)} |"
