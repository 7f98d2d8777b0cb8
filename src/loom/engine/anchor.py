"""Tie a raw finding to a real line of the change: by the code it quotes first, then by its number.

Pure. The contract is "Anchoring" in docs/adr/0004-anchoring.md: the quote at the line; else the quote elsewhere in
the file, nearest to the claim; else the same without regard to white space and case; else, without a quote, the line
if it can carry a comment. A quote that is nowhere in the file was invented.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loom.core.diff import Side
from loom.core.finding import Anchor, RawFinding
from loom.engine.sides import Reading, Sides

AMBIGUOUS_BEYOND = 20
"""Lines. A quote that occurs several times, none nearer to the claimed line than this, says which file, not where."""

_MARK = re.compile(r"\[REDACTED:([^\]:]+):\d+\]")
_GUTTER = re.compile(r"^\s*(?:\d+\s*[+\- ]?|[+\-])\s*\|\s?")  # "  42 + | code", as our own prompt shows it
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding stands."""

    anchor: Anchor
    side: Side
    line: int | None
    end_line: int | None
    whole_range: bool = True
    """False when the claimed range was cut to what can carry a comment: a suggestion no longer fits."""


def locate(raw: RawFinding, sides: Sides) -> Place | None:
    """The place of a finding in its file, or None when it quotes code that is not there."""
    raw = _possible(raw, sides)
    quote = _quote_lines(raw.quote)
    if not quote:
        return _by_number(raw, sides)
    sides_in_turn: tuple[Side, Side] = ("new", "old") if raw.side == "new" else ("old", "new")
    readings: list[tuple[Reading, list[str]]] = [(_exactly, quote), (_loosely, quote)]
    if unmarked := _unmarked(quote):
        readings.append((_loosely, unmarked))
    for same, lines in readings:
        wanted = [same(line) for line in lines]
        for side in sides_in_turn:
            if starts := list(_occurrences(wanted, sides.read(side, same), raw.line)):
                return _nearest(raw, sides, side, starts, len(quote), exact=same is _exactly)
    for same, lines in readings:
        wanted = [same(line) for line in lines]
        for side in sides_in_turn:
            if starts := list(_occurrences(wanted, sides.read(side, same, whole=True), raw.line)):
                line = min(starts, key=lambda n: abs(n - (raw.line or n)))
                return Place("file", side, line, line + len(quote) - 1)
    return None


def code_at(place: Place, sides: Sides) -> str:
    """The anchored code: what the fingerprint is made of. Empty for a finding about the file."""
    if place.line is None:
        return ""
    lines = sides.whole(place.side)
    code = "\n".join(lines.get(n, "") for n in range(place.line, (place.end_line or place.line) + 1))
    return _MARK.sub(r"[REDACTED:\1]", code)


def _possible(raw: RawFinding, sides: Sides) -> RawFinding:
    """Numbers that no line can have are not believed: they come from a model, and may be anything."""
    last = max(sides.last_line("new"), sides.last_line("old"))
    line = raw.line if raw.line is not None and raw.line >= 1 else None
    end = raw.end_line if line is not None else None
    if line == raw.line and (end is None or end <= max(last, line or 0)):
        return raw if end == raw.end_line else replace(raw, end_line=end)
    return replace(raw, line=line, end_line=None if end is None or line is None else min(end, max(last, line)))


def _by_number(raw: RawFinding, sides: Sides) -> Place:
    """Without a quote the number is all there is: believed where a comment can stand."""
    if raw.line is None:
        return Place("file", raw.side, None, None)
    end = max(raw.line, raw.end_line or raw.line)
    lines = sides.lines(raw.side)
    first = next((n for n in range(raw.line, end + 1) if n in lines), None)
    if first is None:
        return Place("file", raw.side, raw.line, end)
    run = _run_from(first, end, lines)
    return Place("exact", raw.side, first, run, whole_range=(first, run) == (raw.line, end))


def _nearest(raw: RawFinding, sides: Sides, side: Side, starts: list[int], height: int, *, exact: bool) -> Place:
    """The occurrence that the finding means: the claimed one, else the nearest, changed lines before kept ones."""
    right: Anchor = "exact" if exact and side == raw.side else "moved"
    if raw.line is None:
        changed = [n for n in starts if any(k in sides.changed(side) for k in range(n, n + height))]
        candidates = changed or starts
        return _span(sides, side, candidates[0], height, right) if len(candidates) == 1 else _somewhere(side)
    claim, claimed = raw.line, _claimed_height(raw, height)
    if claim in starts:
        return _span(sides, side, claim, max(height, claimed), right)
    if side == raw.side and any(claim <= n and n + height <= claim + claimed for n in starts):
        return _span(sides, side, claim, claimed, right)  # the claimed range holds the quote: the claim was right
    best = min(starts, key=lambda n: (abs(n - claim), n not in sides.changed(side), n))
    if len(starts) > 1 and abs(best - claim) > AMBIGUOUS_BEYOND:
        return _somewhere(side)
    # Where in a longer range the quote stood cannot be told: then the quote is the place, and no range to replace.
    place = _span(sides, side, best, height, "moved")
    return place if claimed <= height else replace(place, whole_range=False)


def _somewhere(side: Side) -> Place:
    """In this file, but nobody can tell where."""
    return Place("file", side, None, None)


def _claimed_height(raw: RawFinding, height: int) -> int:
    """Lines of the claimed range; the quote's own where only one line was claimed."""
    if raw.line is None or raw.end_line is None or raw.end_line < raw.line:
        return height
    return raw.end_line - raw.line + 1


def _span(sides: Sides, side: Side, start: int, height: int, anchor: Anchor) -> Place:
    """`height` lines from `start`, as far as comments can stand."""
    end = start + height - 1
    lines = sides.lines(side)
    first = next(n for n in range(start, end + 1) if n in lines)  # a claimed range may begin above the hunk
    run = _run_from(first, end, lines)
    return Place(anchor, side, first, run, whole_range=(first, run) == (start, end))


def _run_from(start: int, end: int, lines: Mapping[int, str]) -> int:
    """The last line of the unbroken run from `start` to at most `end`."""
    last = start
    while last < end and last + 1 in lines:
        last += 1
    return last


def _occurrences(wanted: Sequence[str], texts: Mapping[int, str], claim: int | None) -> Iterator[int]:
    """Line numbers at which the quote starts. One-line quotes may be a part of the line; in longer ones the first
    line may lack its start and the last its end."""
    if len(wanted) == 1:
        whole = [n for n, text in texts.items() if text == wanted[0]]
        if claim is not None and wanted[0] in texts.get(claim, ""):
            whole.append(claim)
        # Parts of other lines only when no line is the quote and nothing more: else `x` would be wherever an x is.
        yield from whole or (n for n, text in texts.items() if wanted[0] in text)
        return
    first, *middle, last = wanted
    for number, text in texts.items():
        if not text.endswith(first):
            continue
        after = [texts.get(number + k) for k in range(1, len(wanted))]
        if after[:-1] == middle and after[-1] is not None and after[-1].startswith(last):
            yield number


def _quote_lines(quote: str | None) -> list[str]:
    """The quote's lines without empty ones at its ends, without the gutter our prompt prints or a diff's `+`."""
    if not quote or not quote.strip():
        return []
    lines = quote.replace("\r\n", "\n").split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    if all(_GUTTER.match(line) for line in lines if line.strip()):
        return [_GUTTER.sub("", line) for line in lines]
    return lines


def _unmarked(quote: Sequence[str]) -> list[str] | None:
    """A quote copied from a diff, without the diff's marks; None when it carries none."""
    if any(line[:1] in "+-" for line in quote) and all(line[:1] in "+- " for line in quote if line):
        return [line[1:] for line in quote]
    return None


def _exactly(text: str) -> str:
    """The line itself; indentation and line ends are not what a quote is about. A secret's running number is not
    part of it: it depends on where the counting began."""
    return _MARK.sub(r"[REDACTED:\1]", text).strip()


def _loosely(text: str) -> str:
    """The line without white space and case."""
    return _SPACE.sub("", _exactly(text)).casefold()
