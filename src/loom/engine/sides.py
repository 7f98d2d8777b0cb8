"""The lines of one changed file as findings are tied to them: both sides, masked, and read once."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from loom.core.diff import Side
from loom.core.finding import normalise_code

T = TypeVar("T")

Reading = Callable[[str], str]
"""What of a line counts when it is compared with a quote."""


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
    _read: dict[tuple[object, ...], object] = field(default_factory=dict, compare=False, repr=False)
    """What was read already: a thousand findings in one file must not read it a thousand times."""
    _last: dict[Side, int] = field(default_factory=dict, compare=False, repr=False)
    _starts: dict[tuple[Side, str, int], list[int]] = field(default_factory=dict, compare=False, repr=False)
    """Where a piece of code of so many lines begins."""
    _first_lines: dict[Side, dict[str, list[int]]] = field(default_factory=dict, compare=False, repr=False)

    def lines(self, side: Side) -> Mapping[int, str]:
        """Lines of the hunks on `side`."""
        return self.new if side == "new" else self.old

    def changed(self, side: Side) -> frozenset[int]:
        """Lines of `side` that the change itself added or removed."""
        return self.changed_new if side == "new" else self.changed_old

    def whole(self, side: Side) -> Mapping[int, str]:
        """The whole file on `side` where known, else the hunks."""
        known = self.whole_new if side == "new" else self.whole_old
        if known is None:
            return self.lines(side)
        return self._once(("whole", side), lambda: dict(enumerate(known, 1)))

    def last_line(self, side: Side) -> int:
        """The greatest number there is on `side`; 0 for a side without lines."""
        if side not in self._last:
            self._last[side] = max(self.whole(side), default=0)
        return self._last[side]

    def line_before(self, line: int) -> int | None:
        """The number that an unchanged line of the new file has in the old one; None for one that the change adds."""
        return self._once(("before",), self._before).get(line)

    def _before(self) -> dict[int, int]:
        new = (n for n in sorted(self.whole("new")) if n not in self.changed_new)
        old = (n for n in sorted(self.whole("old")) if n not in self.changed_old)
        return dict(zip(new, old, strict=False))  # at a line end that only one file has, nothing stands

    def read(self, side: Side, reading: Reading, *, whole: bool = False) -> Mapping[int, str]:
        """The lines of the hunks, or of the whole file, as `reading` reads them."""
        lines = self.whole(side) if whole else self.lines(side)
        return self._once((reading, side, whole), lambda: {n: reading(text) for n, text in lines.items()})

    def normalised(self, side: Side) -> Mapping[int, str]:
        """The whole file as fingerprints see it."""
        return self.read(side, normalise_code, whole=True)

    def occurrence(self, code: str, line: int | None, side: Side) -> int:
        """How many times the code stands before `line` in the file: the `nth` of a fingerprint."""
        wanted = normalise_code(code)
        if line is None or not wanted:
            return 0
        height = code.count("\n") + 1
        key = (side, wanted, height)
        if key not in self._starts:
            first = normalise_code(code.split("\n", 1)[0])
            self._starts[key] = [n for n in self._lines_of(side).get(first, ()) if self._reads(side, n, height, wanted)]
        return bisect.bisect_left(self._starts[key], line)

    def _reads(self, side: Side, start: int, height: int, wanted: str) -> bool:
        """Whether the lines from `start` are the wanted ones, empty ones left out."""
        lines = self.normalised(side)
        at = 0
        for text in (text for n in range(start, start + height) if (text := lines.get(n))):
            if not wanted.startswith(text, at) or wanted[at + len(text) : at + len(text) + 1] not in ("", "\n"):
                return False
            at += len(text) + 1
        return at == len(wanted) + 1

    def _lines_of(self, side: Side) -> Mapping[str, Sequence[int]]:
        """Line as fingerprints see it -> its numbers, ascending."""
        if side not in self._first_lines:
            numbers: dict[str, list[int]] = {}
            for n, text in sorted(self.normalised(side).items()):
                numbers.setdefault(text, []).append(n)
            self._first_lines[side] = numbers
        return self._first_lines[side]

    def _once(self, key: tuple[object, ...], make: Callable[[], Mapping[int, T]]) -> Mapping[int, T]:
        if key not in self._read:
            self._read[key] = make()
        return cast("Mapping[int, T]", self._read[key])  # each key has one `make`
