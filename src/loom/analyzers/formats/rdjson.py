"""Reviewdog's diagnostic format: one document (`rdjson`), or a diagnostic per line (`rdjsonl`).

https://github.com/reviewdog/reviewdog/tree/master/proto/rdf: columns count bytes of UTF-8 from 1, ends are exclusive,
a range without columns means whole lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise

from loom.analyzers.formats.base import Parsed, Reading, malformed, title_of
from loom.analyzers.formats.edits import Edit, bytes_to_characters, with_suggestion
from loom.analyzers.formats.values import items, line_number, mapping, text, web
from loom.core.finding import RawFinding

Json = Mapping[str, object]

_HINT = "`parse_output: {name}` reads standard output only; check the tool's format option."
_LEVELS: Mapping[object, str] = {1: "ERROR", 2: "WARNING", 3: "INFO"}  # enum Severity, in the wire's other form
_UNKNOWN = "UNKNOWN_SEVERITY"


def parse(data: bytes, reading: Reading) -> Parsed:
    """All diagnostics of one document, in order. Raises ScriptError where it is no such document."""
    hint = _HINT.format(name="rdjson")
    value = _load(data.decode("utf-8-sig", "backslashreplace"), "the output is not rdjson", hint)
    if not isinstance(value, dict) or not isinstance(value.get("diagnostics", []), list):
        raise malformed('the output is not rdjson: it has no "diagnostics" array', hint=hint)
    if "diagnostics" not in value and not value.keys() <= {"source", "severity"}:
        raise malformed('the output is not rdjson: it has no "diagnostics" array', hint=hint)
    return _parsed(items(value.get("diagnostics")), _level(value), reading, what="rdjson", hint=hint)


def parse_lines(data: bytes, reading: Reading) -> Parsed:
    """A diagnostic per line; no line at all is no finding. Raises ScriptError for a line that is none."""
    hint = _HINT.format(name="rdjsonl")
    lines = enumerate(data.decode("utf-8-sig", "backslashreplace").split("\n"), 1)
    told = [_load(line, f"line {number} of the output is not rdjsonl", hint) for number, line in lines if line.strip()]
    return _parsed(told, "", reading, what="rdjsonl", hint=hint)


def _load(content: str, what: str, hint: str) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise malformed(f"{what}: {error}", hint=hint) from error


def _parsed(told: Iterable[object], level: str, reading: Reading, *, what: str, hint: str) -> Parsed:
    findings, problems = [], []
    for number, value in enumerate(told, 1):
        diagnostic = mapping(value)
        message = text(diagnostic.get("message")).strip()
        location = mapping(diagnostic.get("location"))
        if not message and not location:
            raise malformed(f"the output is not {what}: diagnostic {number} has no message and no location", hint=hint)
        path = reading.path(text(location.get("path")))
        if path:
            findings.append(_finding(diagnostic, path, _level(diagnostic) or level, reading))
        else:
            problems.append(title_of(message) or "a diagnostic without a file")
    return Parsed(tuple(findings), problems=tuple(problems))


def _line(path: str, number: int, reading: Reading) -> str:
    """One line without its ending; empty where it is not known."""
    lines = reading.lines(path) or ()
    return lines[number - 1].removesuffix("\r") if number <= len(lines) else ""


def _finding(diagnostic: Json, path: str, level: str, reading: Reading) -> RawFinding:
    code = mapping(diagnostic.get("code"))
    rule = text(code.get("value")).strip() or None
    message = text(diagnostic.get("message")).strip()
    region = mapping(mapping(diagnostic.get("location")).get("range"))
    start, end = mapping(region.get("start")), mapping(region.get("end"))
    line, last, column = line_number(start.get("line")), line_number(end.get("line")), line_number(start.get("column"))
    if line and last and last > line and end.get("column") == 1:
        last -= 1  # up to the start of a line: that line is not touched
    if line and column:
        column = bytes_to_characters(_line(path, line, reading), column)
    found = RawFinding(
        path=path,
        message=message or rule or "(no message)",
        title=title_of(message) or rule or "",
        line=line,
        end_line=max(line, last or line) if line else None,
        column=column if line else None,
        severity=reading.severity(level, rule),
        rule=rule,
        rule_url=web(text(code.get("url"))),
    )
    return with_suggestion(found, _edits(diagnostic, path, reading), reading)


def _level(value: Json) -> str:
    told = value.get("severity")
    word = _LEVELS.get(told, "") if isinstance(told, int) else text(told)
    return "" if word == _UNKNOWN else word


def _edits(diagnostic: Json, path: str, reading: Reading) -> list[Edit]:
    """The suggestions as one fix. Where they overlap they are alternatives, of which the first is taken."""
    suggestions = map(mapping, items(diagnostic.get("suggestions")))
    edits = [edit for suggestion in suggestions if (edit := _edit(suggestion, path, reading))]
    ordered = sorted(edits, key=lambda edit: (edit.start_line, edit.start_column))
    for before, after in pairwise(ordered):
        if (after.start_line, after.start_column) < (before.end_line, before.end_column) or before == after:
            return edits[:1]
    return edits


def _edit(suggestion: Json, path: str, reading: Reading) -> Edit | None:
    region = mapping(suggestion.get("range"))
    start, end = mapping(region.get("start")), mapping(region.get("end"))
    first, last = line_number(start.get("line")), line_number(end.get("line"))
    if first is None or not reading.lines(path):
        return None
    content = text(suggestion.get("text"))
    begins, ends = line_number(start.get("column")), line_number(end.get("column"))
    if begins is None and ends is None:
        return _whole_lines(first, last or first, content, _line(path, last or first, reading))
    begins = bytes_to_characters(_line(path, first, reading), begins or 1)
    if last is None and ends is None:  # an end that is left out: the same as the start, an insertion
        return Edit(first, begins, first, begins, content)
    last = last or first
    behind = _line(path, last, reading)
    return Edit(first, begins, last, bytes_to_characters(behind, ends) if ends else len(behind) + 1, content)


def _whole_lines(first: int, last: int, content: str, behind: str) -> Edit:
    """Lines without the ending of the last one; no text deletes them altogether."""
    if not content:
        return Edit(first, 1, last + 1, 1, "")
    return Edit(first, 1, last, len(behind) + 1, content.removesuffix("\n").removesuffix("\r"))
