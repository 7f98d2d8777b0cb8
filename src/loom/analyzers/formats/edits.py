"""Edits that tools propose, at columns or offsets, as suggestions that replace whole lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loom.analyzers.formats.base import Reading
from loom.core.finding import RawFinding

MAX_LINES = 20
"""A larger replacement is not offered: nobody reads it before accepting."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Text to put in place of `start`..`end`. Lines and columns are 1-based, columns count characters; `end` is
    the first character that stays."""

    start_line: int
    start_column: int
    end_line: int
    end_column: int
    text: str


def with_suggestion(finding: RawFinding, edits: Sequence[Edit], reading: Reading) -> RawFinding:
    """The finding with the edits as a suggestion. Its lines grow to those of the edits where they overlap; where
    they do not, or the edits do not fit the file, the finding stays as it is."""
    if not edits or finding.line is None:
        return finding
    lines = reading.lines(finding.path)
    if lines is None:
        return finding
    first = min(edit.start_line for edit in edits)
    last = max(_last_line(edit, lines) for edit in edits)
    end = max(finding.end_line or finding.line, finding.line)
    if first > end or last < finding.line:
        return finding
    first, last = min(first, finding.line), max(last, end)
    if last - first >= MAX_LINES or last > len(lines):
        return finding
    text = _applied(lines, sorted(edits, key=lambda edit: (edit.start_line, edit.start_column)), first, last)
    if text is None or text == "\n".join(lines[first - 1 : last]):
        return finding
    return replace(finding, line=first, end_line=last, suggestion=text)


def _last_line(edit: Edit, lines: Sequence[str]) -> int:
    """The last line whose text changes: an edit that ends before the first character of a line and puts a line feed
    there leaves that line alone."""
    whole = edit.end_column == 1 and edit.end_line > edit.start_line
    keeps = whole and edit.start_column == 1 and (not edit.text or edit.text.endswith("\n"))
    return edit.end_line - 1 if keeps or (whole and edit.end_line > len(lines)) else edit.end_line


def _applied(lines: Sequence[str], edits: Sequence[Edit], first: int, last: int) -> str | None:
    """Lines `first`..`last` after the edits, without the last line feed; None where the edits overlap, do not fit,
    or leave one empty line (a suggestion cannot say that: empty text deletes)."""
    starts = [0]
    for line in lines[first - 1 : last]:
        starts.append(starts[-1] + len(line) + 1)
    region = "".join(line + "\n" for line in lines[first - 1 : last])
    made: list[str] = []
    position = 0
    for edit in edits:
        if edit.start_line < first or edit.end_line - first >= len(starts):
            return None
        begin = starts[edit.start_line - first] + edit.start_column - 1
        finish = starts[edit.end_line - first] + edit.end_column - 1
        if not position <= begin <= finish <= len(region):
            return None
        made += [region[position:begin], edit.text]
        position = finish
    text = "".join(made) + region[position:]
    return None if text == "\n" else text.removesuffix("\n")


def edit_at(text: str, start: int, end: int, replacement: str) -> Edit:
    """An edit given by offsets into `text` (in characters)."""
    return Edit(*_place(text, start), *_place(text, end), replacement)


def _place(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def characters(line: str, utf16: int) -> int:
    """A 1-based column in UTF-16 code units as one in characters (SARIF's default, ESLint's offsets)."""
    units = 0
    for index, char in enumerate(line):
        if units >= utf16 - 1:
            return index + 1
        units += 2 if ord(char) > 0xFFFF else 1
    return len(line) + 1


def bytes_to_characters(line: str, column: int) -> int:
    """A 1-based column in bytes of UTF-8 as one in characters (reviewdog's)."""
    if line.isascii():
        return min(column, len(line) + 1)
    return len(line.encode("utf-8", "surrogatepass")[: column - 1].decode("utf-8", "ignore")) + 1
