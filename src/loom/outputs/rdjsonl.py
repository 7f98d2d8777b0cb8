"""The format `rdjsonl`: one diagnostic of the Reviewdog Diagnostic Format a line.
https://github.com/reviewdog/reviewdog/tree/master/proto/rdf

Its readers refuse fields they do not know, so what has no field of its own stands in the message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from loom.core.finding import Finding, Severity, Suggestion
from loom.core.result import ResultFile, ReviewResult
from loom.infra import json_text
from loom.infra.text import one_line, visible
from loom.outputs.addresses import also, relative_path, rule_id, web_address
from loom.outputs.base import Look
from loom.outputs.excerpt import by_path, line_at
from loom.outputs.unread import RULE, Unread, unread

Json = dict[str, object]

_SEVERITY = {Severity.BLOCKER: "ERROR", Severity.WARNING: "WARNING", Severity.INFO: "INFO"}
_SOURCE: Json = {"name": "loom"}


def render(result: ReviewResult, look: Look) -> str:
    """A line a finding that has a file, the worst first; nothing at all for a clean review. Nothing depends on
    `look`."""
    return "".join(f"{json_text.line(diagnostic)}\n" for diagnostic in _diagnostics(result))


def _diagnostics(result: ReviewResult) -> Iterator[Json]:
    files = by_path(result)
    for finding in result.findings:
        if path := relative_path(finding.path):
            yield _diagnostic(finding, path, files)
    if gap := unread(result):
        yield _incomplete(gap)


def _diagnostic(finding: Finding, path: str, files: Mapping[str, ResultFile]) -> Json:
    location: Json = {"path": path}
    if extent := _range(finding, files.get(finding.path)):
        location["range"] = extent
    said: Json = {
        "message": _message(finding),
        "location": location,
        "severity": _SEVERITY[finding.severity],
        "source": _SOURCE,
        "code": _code(finding),
    }
    if finding.suggestion and finding.suggestion.committable:
        said["suggestions"] = [_suggestion(finding.suggestion)]
    return said


def _message(finding: Finding) -> str:
    title, message = finding.title.strip(), finding.message.strip()
    said = [title] if title and title != message else []
    if finding.side == "old" and finding.line:
        said.append(f"(About removed line {finding.line}.)")
    said += [message] if message else []
    sources = [one_line(source, 60) for source in finding.sources or (finding.pipeline,)]
    said.append("\n".join([f"found by {', '.join(sources)}", *(f"also {other}" for other in also(finding))]))
    return visible("\n\n".join(said))


def _code(finding: Finding) -> Json:
    value: Json = {"value": rule_id(finding)}
    return value | {"url": url} if (url := web_address(finding.rule_url)) else value


def _range(finding: Finding, file: ResultFile | None) -> Json | None:
    """Whole lines, or from the column on where the finding has one in its only line. None: the whole file, or a line
    that is gone."""
    if finding.line is None or finding.side == "old":
        return None
    if finding.end_line and finding.end_line > finding.line:
        return {"start": {"line": finding.line}, "end": {"line": finding.end_line}}
    start: Json = {"line": finding.line}
    if column := _byte_column(finding, file):
        start["column"] = column
    return {"start": start}


def _byte_column(finding: Finding, file: ResultFile | None) -> int | None:
    """The column counted in bytes of UTF-8, from 1; None when the line is not at hand to count them in."""
    text = line_at(finding.line, file) if finding.line and finding.column else None
    if text is None or finding.column is None or finding.column > len(text) + 1:
        return None
    return len(text[: finding.column - 1].encode("utf-8", "surrogateescape" if _bytes_of(text) else "replace")) + 1


def _bytes_of(text: str) -> bool:
    return all("\udc80" <= char <= "\udcff" for char in text if "\ud800" <= char <= "\udfff")


def _suggestion(suggestion: Suggestion) -> Json:
    """Without columns a range ends before its last line's line feed, as Suggestion.text does; lines that go away take
    theirs with them."""
    if suggestion.text:
        extent: Json = {"start": {"line": suggestion.line}, "end": {"line": suggestion.end_line}}
        return {"range": extent, "text": suggestion.text}
    end: Json = {"line": suggestion.end_line + 1, "column": 1}
    return {"range": {"start": {"line": suggestion.line, "column": 1}, "end": end}, "text": ""}


def _incomplete(gap: Unread) -> Json:
    return {
        "message": one_line(gap.text, 600),
        "location": {"path": gap.path},
        "severity": "WARNING",
        "source": _SOURCE,
        "code": {"value": RULE},
    }
