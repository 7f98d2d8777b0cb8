"""The lines of code around a finding, cut from the masked hunks that the result carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loom.core.diff import Kind, Side
from loom.core.finding import Finding, Suggestion
from loom.core.result import ResultFile, ResultHunk, ReviewResult

AROUND = 2
"""Lines of context on either side."""
MOST = 14
"""Rows of an excerpt; the middle of a longer one is left out."""
_HEAD, _TAIL = 9, 4


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an excerpt."""

    number: int | None
    """On the finding's side; None for a line that is not there on that side."""
    kind: Kind
    text: str
    marked: bool
    """Whether the finding is about this line."""


def by_path(result: ReviewResult) -> Mapping[str, ResultFile]:
    """The files of the result by their path."""
    return {file.path: file for file in result.files}


def excerpt(finding: Finding, file: ResultFile | None) -> tuple[Row | None, ...]:
    """The finding's lines with some context; None stands for rows left out. Without hunks the quote has to do;
    empty when there is neither, or the finding is about the whole file."""
    if finding.line is None:
        return ()
    last = finding.end_line or finding.line
    for hunk in file.hunks if file else ():
        rows = [
            Row(n, kind, text, n is not None and finding.line <= n <= last)
            for n, kind, text in _side(hunk, finding.side)
        ]
        marked = [index for index, row in enumerate(rows) if row.marked]
        if marked:
            return _shorten(rows[max(0, marked[0] - AROUND) : marked[-1] + AROUND + 1])
    return _shorten(_quoted(finding, finding.line))


def replaced(suggestion: Suggestion, file: ResultFile | None) -> tuple[str, ...] | None:
    """The lines that the suggestion replaces; None when the result does not hold them all."""
    wanted = range(suggestion.line, suggestion.end_line + 1)
    lines = {
        number: text
        for hunk in (file.hunks if file else ())
        for number, _, text in _side(hunk, "new")
        if number in wanted
    }
    return tuple(lines[n] for n in wanted) if len(lines) == len(wanted) else None


def line_at(number: int, file: ResultFile | None) -> str | None:
    """A line of the new side; None when the result does not hold it."""
    found = replaced(Suggestion(number, number, "", committable=False), file)
    return found[0] if found else None


def _side(hunk: ResultHunk, side: Side) -> Iterator[tuple[int | None, Kind, str]]:
    """Every line of the hunk with its number on `side`."""
    number, absent = (hunk.new_start, "-") if side == "new" else (hunk.old_start, "+")
    for kind, text in hunk.lines:
        if kind == absent:
            yield None, kind, text
        else:
            yield number, kind, text
            number += 1


def _quoted(finding: Finding, first: int) -> list[Row]:
    lines = finding.quote.split("\n") if finding.quote else []
    return [Row(first + n, " ", text, True) for n, text in enumerate(lines)]


def _shorten(rows: Sequence[Row]) -> tuple[Row | None, ...]:
    if len(rows) <= MOST:
        return tuple(rows)
    return (*rows[:_HEAD], None, *rows[-_TAIL:])
