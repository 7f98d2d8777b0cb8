"""Code Quality reports as GitLab and Code Climate define them: an array, or Code Climate's stream of objects.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format,
https://github.com/codeclimate/platform/blob/master/spec/analyzers/SPEC.md#data-types
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from loom.analyzers.formats.base import Parsed, Reading, malformed, title_of
from loom.analyzers.formats.values import items, line_number, mapping, text
from loom.core.finding import Category, RawFinding

Json = Mapping[str, object]

_HINT = "`parse_output: codequality` reads standard output only; check the tool's format option."
_CATEGORIES: Mapping[str, Category] = {
    "bug risk": "bug",
    "clarity": "maintainability",
    "compatibility": "api",
    "complexity": "maintainability",
    "duplication": "maintainability",
    "performance": "performance",
    "security": "security",
    "style": "style",
}
_APART = re.compile(r"\0\s*|\n(?=\s*\{)")  # "terminated by a null character"; some tools take lines instead


def parse(data: bytes, reading: Reading) -> Parsed:
    """All issues in order; measurements are left out. Raises ScriptError where it is no such report."""
    findings: list[RawFinding] = []
    problems: list[str] = []
    for number, value in enumerate(_values(data), 1):
        issue = mapping(value)
        if text(issue.get("type")).lower() == "measurement":
            continue
        message = text(issue.get("description")).strip()
        location = mapping(issue.get("location"))
        if not message and not location:
            raise malformed(
                f"the output is no Code Quality report: entry {number} has no description and no location", hint=_HINT
            )
        path = reading.path(text(location.get("path")))
        if path:
            findings.append(_finding(issue, path, message, reading))
        else:
            problems.append(title_of(message) or "an issue without a file")
    return Parsed(tuple(findings), problems=tuple(problems))


def _values(data: bytes) -> list[object]:
    content = data.decode("utf-8-sig", "backslashreplace").strip().strip("\0").strip()
    try:
        if content.startswith("{"):
            return [json.loads(part) for part in _pieces(content)]
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise malformed(f"the output is no Code Quality report: {error}", hint=_HINT) from error
    if not isinstance(value, list):
        raise malformed("the output is no Code Quality report: it is not an array", hint=_HINT)
    return value


def _pieces(content: str) -> list[str]:
    """The objects of a stream. One object alone may be laid out over lines."""
    if "\0" not in content:
        try:
            json.loads(content)
        except ValueError:
            return [part for part in _APART.split(content) if part.strip()]
        return [content]
    return [part for part in content.split("\0") if part.strip()]


def _finding(issue: Json, path: str, message: str, reading: Reading) -> RawFinding:
    location = mapping(issue.get("location"))
    line, end_line, column = _place(location)
    rule = text(issue.get("check_name")).strip() or None
    if rule:
        message = message.removeprefix(f"{rule}: ")  # ruff's says it twice
    body = text(mapping(issue.get("content")).get("body")).strip()
    whole = f"{message}\n\n{body}" if body and body != message else message
    return RawFinding(
        path=path,
        message=whole or rule or "(no message)",
        title=title_of(message) or rule or "",
        line=line,
        end_line=end_line,
        column=column,
        severity=reading.severity(text(issue.get("severity")), rule),
        category=_category(issue),
        rule=rule,
    )


def _place(location: Json) -> tuple[int | None, int | None, int | None]:
    """(line, end line, column) of `lines`, else of `positions`."""
    lines, positions = mapping(location.get("lines")), mapping(location.get("positions"))
    begin, end = mapping(positions.get("begin")), mapping(positions.get("end"))
    line = line_number(lines.get("begin")) or line_number(begin.get("line"))
    if line is None:
        return None, None, None
    last = line_number(lines.get("end")) or line_number(end.get("line")) or line
    return line, max(line, last), line_number(begin.get("column"))


def _category(issue: Json) -> Category:
    told = (text(name).lower() for name in items(issue.get("categories")))
    return next((_CATEGORIES[name] for name in told if name in _CATEGORIES), "other")
