"""Which places a comment on a finding may stand at, best first: proved against the result's own hunks. Pure.

Three platforms take a wrong place without an error and lose the comment, so nothing is sent that is not proved here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from loom.core.diff import Kind, Side
from loom.core.finding import Finding
from loom.core.result import ResultFile
from loom.platforms.base import Cap
from loom.platforms.values import Anchor

Where = Literal["inline", "inline_single", "file"]
_KINDS: dict[Kind, Literal["added", "removed", "context"]] = {"+": "added", "-": "removed", " ": "context"}


@dataclass(frozen=True, slots=True)
class Spot:
    """A line of a hunk, as one side numbers it."""

    hunk: int
    kind: Kind
    text: str
    other: int | None
    """Its number on the other side; None where it is not there."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One place to try."""

    where: Where
    anchor: Anchor
    why: str | None
    """Why it is not the best place; None when it is."""


class HunkMap:
    """The lines of a change that can carry a comment."""

    def __init__(self, files: Iterable[ResultFile]) -> None:
        self._files = {file.path: file for file in files}
        self._spots: dict[tuple[str, Side], dict[int, Spot]] = {}

    def spots(self, path: str, side: Side) -> dict[int, Spot]:
        """Line number -> its spot on that side."""
        key = (path, side)
        if key not in self._spots:
            self._spots[key] = _spots(self._files[path], side) if path in self._files else {}
        return self._spots[key]

    def ladder(self, finding: Finding, caps: Cap) -> tuple[tuple[Rung, ...], str]:
        """Every place that the platform could take, best first, and why there is none where there is none."""
        file = self._files.get(finding.path)
        if file is None:
            return (), "the file is not part of the change"
        rungs: list[Rung] = []
        why = None
        if finding.line is not None or finding.anchor != "file":
            why = _not_on_a_line(finding, file)
            if why is None:
                rungs, why = self._lines(finding, file, caps)
        if Cap.FILE_COMMENT in caps:
            rungs.append(Rung("file", Anchor(path=file.path, old_path=file.old_path), why))
        return tuple(rungs), why or "the platform takes no comment on a file"

    def replaced(self, finding: Finding) -> tuple[str, ...] | None:
        """The lines that the finding's suggestion replaces; None when the hunks do not hold them all."""
        if finding.suggestion is None:
            return None
        spots = self.spots(finding.path, "new")
        numbers = range(finding.suggestion.line, finding.suggestion.end_line + 1)
        return tuple(spots[n].text for n in numbers) if all(n in spots for n in numbers) else None

    def _lines(self, finding: Finding, file: ResultFile, caps: Cap) -> tuple[list[Rung], str | None]:
        first = finding.line or 0
        last = max(finding.end_line or first, first)
        spots = self.spots(finding.path, finding.side)
        line = next((n for n in range(last, first - 1, -1) if n in spots), None) if last - first < 10_000 else None
        if line is None:
            return [], "the lines are not part of the diff"
        if finding.side == "old" and spots[line].kind == "-" and Cap.OLD_SIDE not in caps:
            return [], "the platform takes no comment on removed lines"
        if spots[line].kind == " " and Cap.CONTEXT_LINES not in caps:
            return [], "the platform takes no comment on unchanged lines"
        single = _single(file, finding.side, line, spots[line])
        if first == last:
            return [Rung("inline", single, None)], None
        if line != last or first not in spots or spots[first].hunk != spots[last].hunk:
            return [Rung("inline_single", single, "the lines do not stand in one hunk")], None
        ranged = _ranged(file, finding.side, first, line, spots)
        if ranged is None or Cap.MULTILINE not in caps:
            return [Rung("inline_single", single, "the platform takes comments on single lines only")], None
        return [Rung("inline", ranged, None), Rung("inline_single", single, None)], None


def _not_on_a_line(finding: Finding, file: ResultFile) -> str | None:
    """Why no line can carry the comment, as far as the finding and the file tell; None when one may."""
    if finding.line is None:
        return "no line is known"
    if finding.anchor == "none":
        return "the lines are not part of the diff"
    return "the result holds no diff" if not file.hunks else None


def _spots(file: ResultFile, side: Side) -> dict[int, Spot]:
    found: dict[int, Spot] = {}
    for index, hunk in enumerate(file.hunks):
        old, new = hunk.old_start, hunk.new_start
        for kind, text in hunk.lines:
            if side == "new" and kind != "-":
                found[new] = Spot(index, kind, text, old if kind == " " else None)
            elif side == "old" and kind != "+":
                found[old] = Spot(index, kind, text, new if kind == " " else None)
            old += kind != "+"
            new += kind != "-"
    return found


def _single(file: ResultFile, side: Side, line: int, spot: Spot) -> Anchor:
    """One line. An unchanged line is the same line on both sides, and is named by its new number."""
    if side == "old" and spot.kind == " ":
        return Anchor(path=file.path, old_path=file.old_path, line=spot.other, kind="context", old_line=line)
    return Anchor(
        path=file.path, old_path=file.old_path, side=side, line=line, kind=_KINDS[spot.kind], old_line=spot.other
    )


def _ranged(file: ResultFile, side: Side, first: int, last: int, spots: dict[int, Spot]) -> Anchor | None:
    """Several lines of one hunk on one side; None for lines of the old side that are not all removed, which have no
    one side."""
    if side == "old" and any(spots[n].kind == " " for n in (first, last)):
        return None
    return Anchor(
        path=file.path,
        old_path=file.old_path,
        side=side,
        line=last,
        start_line=first,
        kind=_KINDS[spots[last].kind],
        old_line=spots[last].other,
        start_kind=_KINDS[spots[first].kind],
        start_old_line=spots[first].other,
    )
