"""Tie a raw finding to a real line of the change: by the code it quotes first, then by its number.

Pure. The contract is "Anchoring" in docs/adr/0004-anchoring.md: the quote at the line; else the quote elsewhere in
the file, nearest to the claim; else the same without regard to white space and case; else, without a quote, the line
if it can carry a comment. A quote that is nowhere in the file was invented.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from loom.core.diff import Side
from loom.core.finding import Anchor, RawFinding

AMBIGUOUS_BEYOND = 20
"""Lines. A quote that occurs several times, none nearer to the claimed line than this, says which file, not where."""

_MARK = re.compile(r"\[REDACTED:([^\]:]+):\d+\]")
_GUTTER = re.compile(r"^\s*(?:\d+\s*[+\- ]?|[+\-])\s*\|\s?")  # "  42 + | code", as our own prompt shows it
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Sides:
    """The lines of one file that findings can stand on: number -> masked text, per side."""

    path: str
    base_path: str
    new: Mapping[int, str]
    """Every new-side line of the hunks."""
    old: Mapping[int, str]
    """Every removed or kept line of the hunks."""
    changed_new: frozenset[int]
    changed_old: frozenset[int]
    whole_new: Sequence[str] | None = None
    """The whole new file, masked; None where only the hunks are known."""
    whole_old: Sequence[str] | None = None

    def lines(self, side: Side) -> Mapping[int, str]:
        """Lines of the hunks on `side`."""
        return self.new if side == "new" else self.old

    def changed(self, side: Side) -> frozenset[int]:
        """Lines of `side` that the change itself added or removed."""
        return self.changed_new if side == "new" else self.changed_old

    def whole(self, side: Side) -> Mapping[int, str]:
        """The whole file on `side` where known, else the hunks."""
        known = self.whole_new if side == "new" else self.whole_old
        return self.lines(side) if known is None else dict(enumerate(known, 1))


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
    quote = _quote_lines(raw.quote)
    if not quote:
        return _by_number(raw, sides)
    sides_in_turn: tuple[Side, Side] = ("new", "old") if raw.side == "new" else ("old", "new")
    readings = [(_exactly, quote), (_loosely, quote)]
    if unmarked := _unmarked(quote):
        readings.append((_loosely, unmarked))
    for same, lines in readings:
        wanted = [same(line) for line in lines]
        for side in sides_in_turn:
            if starts := list(_occurrences(wanted, sides.lines(side), same)):
                return _nearest(raw, sides, side, starts, len(quote), exact=same is _exactly)
    for same, lines in readings:
        wanted = [same(line) for line in lines]
        for side in sides_in_turn:
            if starts := list(_occurrences(wanted, sides.whole(side), same)):
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


def _by_number(raw: RawFinding, sides: Sides) -> Place:
    """Without a quote the number is all there is: believed where a comment can stand."""
    if raw.line is None:
        return Place("file", raw.side, None, None)
    end = max(raw.line, raw.end_line or raw.line)
    lines = sides.lines(raw.side)
    inside = [n for n in range(raw.line, min(end, raw.line + 2000) + 1) if n in lines]
    if not inside:
        return Place("file", raw.side, raw.line, end)
    run = _run_from(inside[0], end, lines)
    return Place("exact", raw.side, inside[0], run, whole_range=(inside[0], run) == (raw.line, end))


def _nearest(raw: RawFinding, sides: Sides, side: Side, starts: list[int], height: int, *, exact: bool) -> Place:
    """The occurrence that the finding means: the claimed one, else the nearest, changed lines before kept ones."""
    claim, claim_end = raw.line, max(raw.line or 0, raw.end_line or 0)
    if claim is None:
        changed = [n for n in starts if any(k in sides.changed(side) for k in range(n, n + height))]
        candidates = changed or starts
        if len(candidates) > 1:
            return Place("file", side, None, None)
        return _span(sides, side, candidates[0], height, raw, anchor="moved" if not exact else "exact")
    if claim in starts:
        return _span(sides, side, claim, height, raw, anchor="exact" if exact and side == raw.side else "moved")
    within = [n for n in starts if claim <= n and n + height - 1 <= claim_end]
    if within and side == raw.side:  # the claimed range holds the quote: the claim was right
        return _span(sides, side, claim, claim_end - claim + 1, raw, anchor="exact" if exact else "moved")
    best = min(starts, key=lambda n: (abs(n - claim), n not in sides.changed(side), n))
    if len(starts) > 1 and abs(best - claim) > AMBIGUOUS_BEYOND:
        return Place("file", side, None, None)
    return _span(sides, side, best, height, raw, anchor="moved")


def _span(sides: Sides, side: Side, start: int, height: int, raw: RawFinding, *, anchor: Anchor) -> Place:
    """From `start` over the quote or the claimed range, whichever is longer, as far as comments can stand."""
    claimed = (raw.end_line - raw.line + 1) if raw.line and raw.end_line and raw.end_line >= raw.line else height
    end = start + max(height, claimed) - 1
    lines = sides.lines(side)
    if start not in lines:  # a claimed range that begins above the hunk
        start = next(n for n in range(start, end + 1) if n in lines)
    run = _run_from(start, end, lines)
    return Place(anchor, side, start, run, whole_range=run == end)


def _run_from(start: int, end: int, lines: Mapping[int, str]) -> int:
    """The last line of the unbroken run from `start` to at most `end`."""
    last = start
    while last < end and last + 1 in lines:
        last += 1
    return last


def _occurrences(wanted: Sequence[str], lines: Mapping[int, str], same: Callable[[str], str]) -> Iterator[int]:
    """Line numbers at which the quote starts. One-line quotes may be a part of the line; in longer ones the first
    line may lack its start and the last its end."""
    texts = {number: same(text) for number, text in lines.items()}
    if len(wanted) == 1:
        whole = [n for n, text in texts.items() if text == wanted[0]]
        # Only when no line is the quote and nothing more: otherwise `x` would be found in every line that holds an x.
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
