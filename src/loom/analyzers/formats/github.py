"""Annotation commands of GitHub Actions: `::error file=a.py,line=3::message`; also the forms `##[error]message` and
Azure's `##vso[task.logissue …]message`.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands; escapes and parsing as in
actions/runner, ActionCommand.cs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from loom.analyzers.formats import text
from loom.analyzers.formats.base import Parsed, Reading, title_of
from loom.analyzers.formats.values import line_number
from loom.core.diff import decode_path, show_path
from loom.core.finding import RawFinding

_LINE_LENGTH = 100_000  # bytes of one line that are read; messages hold their line feeds as %0A
_COLON = re.compile(r"\s*::(?P<name>[A-Za-z][\w-]*)(?:\s+(?P<properties>[^\n]*?))?::(?P<message>.*)")
_HASH = re.compile(
    r"##\[(?P<name>error|warning|notice)(?:\s+(?P<properties>[^\]\n]*))?\](?P<message>.*)", re.IGNORECASE
)
_AZURE = re.compile(r"##vso\[task\.logissue\s+(?P<properties>[^\]\n]*)\](?P<message>.*)", re.IGNORECASE)
_LEVELS = frozenset(("error", "warning", "notice"))
_PLACED = {"sourcepath": "file", "linenumber": "line", "columnnumber": "col", "column": "col", "end_line": "endline"}
_ESCAPED = re.compile(r"%(25|0D|0A|3A|2C|3B|5D)", re.IGNORECASE)  # the last two: `;` and `]` of the `##[…]` form
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Where tools put their rule, since the format has no field for it: "ruff (F401)", "oxlint(no-debugger)",
# "lint/suspicious/noDoubleEquals", "dangerous-triggers", "SC2086".
_IN_TITLE = re.compile(
    r"[\w@. -]{0,60}?\((?P<boxed>[\w@./:-]{1,100})\)"
    r"|(?P<plain>[A-Z]{1,10}-?\d{1,6}|[\w@-]+(?:/[\w@.-]+)+|[a-z][a-z0-9_-]+)"
)
_NO_RULES = frozenset(("error", "warning", "notice", "info", "lint", "linter", "test", "tests", "failure", "failed"))
# The place that ruff, oxlint, zizmor and yamllint say again in front of the message.
_PLACE_AGAIN = re.compile(r"(?:(?P<path>[^\s:]+):\d+(?::\d+)?:\s+|\d+:\d+ (?=\[))")
_CODE_FIRST = re.compile(
    r"(?P<code>[A-Z]{1,10}-?\d{1,6}|[a-z]+(?:-[a-z]+)+)(?P<end>:?)\s+|\[(?P<boxed>[A-Za-z][\w./-]{1,80})\]:?\s+"
)


def parse(data: bytes, reading: Reading) -> Parsed:
    """A finding for every annotation with a file; an error or warning without one is a problem. Other lines and
    commands say nothing, nor does what stands between `::stop-commands::x` and `::x::`."""
    walk = _Walk(reading)
    for raw in data.split(b"\n"):
        if b"::" in raw or b"##" in raw:
            walk.line(_ANSI.sub("", decode_path(raw[:_LINE_LENGTH]).rstrip("\r")))
    return Parsed(tuple(walk.findings), problems=tuple(walk.problems))


@dataclass(slots=True)
class _Walk:
    reading: Reading
    findings: list[RawFinding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    stopped: str = ""
    """The word that lets commands count again."""

    def line(self, line: str) -> None:
        """Take what one line commands."""
        colon = _COLON.match(line)
        if self.stopped:
            if colon and colon["name"] == self.stopped:
                self.stopped = ""
            return
        if colon and colon["name"] == "stop-commands":
            self.stopped = colon["message"].strip()
        elif colon and colon["name"].lower() in _LEVELS:
            told = _properties(colon["properties"] or "", ",")
            self.take(colon["name"].lower(), told, colon["message"])
        elif (found := _AZURE.search(line)) or (found := _HASH.search(line)):
            told = _properties(found["properties"] or "", ";" if ";" in (found["properties"] or "") else ",")
            level = told.get("type") or found.groupdict().get("name") or "error"
            self.take(level.lower(), told, found["message"])

    def take(self, level: str, told: Mapping[str, str], escaped: str) -> None:
        """One annotation."""
        message = show_path(_unescaped(escaped)).strip()
        file = told.get("file", "")
        if path := self.reading.path(file):
            self.findings.append(_finding(level, told, message, path, self.reading))
            return
        # Logs show a problem matcher's line as `##[error]src/a.cs(3,5): error CS1002: ; expected`.
        placed = text.parse(_unescaped(escaped).encode("utf-8", "surrogateescape"), self.reading).findings
        if placed:
            self.findings.append(placed[0])
        elif level != "notice":
            self.problems.append(title_of(message) or f"{level} without a message")


def _properties(written: str, separator: str) -> dict[str, str]:
    """`a=b,c=d`, names in lower case."""
    pairs = (pair.partition("=") for pair in written.split(separator))
    read = {name.strip().lower(): _unescaped(value.strip()) for name, _, value in pairs if value.strip()}
    return {_PLACED.get(name, name): value for name, value in read.items()}


def _unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)


def _finding(level: str, told: Mapping[str, str], message: str, path: str, reading: Reading) -> RawFinding:
    line = line_number(told.get("line"))
    message = _without_place(message, path, reading)
    title = show_path(told.get("title", "")).strip()
    rule, message = _rule(told, title, message)
    shown = title_of(message) if not title or rule or title_of(message) == title else title
    return RawFinding(
        path=path,
        message=message or title or "(no message)",
        title=title_of(shown) or rule or "",
        line=line,
        end_line=max(line, line_number(told.get("endline")) or line) if line else None,
        column=line_number(told.get("col")) if line else None,
        severity=reading.severity(level, rule),
        rule=rule,
    )


def _without_place(message: str, path: str, reading: Reading) -> str:
    again = _PLACE_AGAIN.match(message)
    if again is None:
        return message
    told = again["path"]
    same = told is None or told == posixpath.basename(path) or reading.path(told) == path
    return message[again.end() :] if same else message


def _rule_of(title: str) -> str:
    found = _IN_TITLE.fullmatch(title)
    rule = (found["boxed"] or found["plain"]) if found else ""
    return "" if rule in _NO_RULES else rule


def _rule(told: Mapping[str, str], title: str, message: str) -> tuple[str | None, str]:
    """(rule, message without it): a property, what the title has, or the first word of the message where that is a
    code in brackets or before a colon."""
    rule = show_path(told.get("code", "")).strip() or _rule_of(title)
    first = _CODE_FIRST.match(message)
    code = (first["code"] or first["boxed"]) if first else ""
    if first and (code == rule or (not rule and (first["boxed"] or first["end"]))):
        return code, message[first.end() :]
    return rule or None, message
