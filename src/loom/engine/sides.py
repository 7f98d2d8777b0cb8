"""The lines of one changed file as findings are tied to them: both sides, masked, and read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from loom.core.diff import Side
from loom.core.finding import normalise_code

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
    _read: dict[tuple[object, ...], Mapping[int, str]] = field(default_factory=dict, compare=False, repr=False)
    """What was read already: a thousand findings in one file must not read it a thousand times."""

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
        return max(self.whole(side), default=0)

    def read(self, side: Side, reading: Reading, *, whole: bool = False) -> Mapping[int, str]:
        """The lines of the hunks, or of the whole file, as `reading` reads them."""
        lines = self.whole(side) if whole else self.lines(side)
        return self._once((reading, side, whole), lambda: {n: reading(text) for n, text in lines.items()})

    def normalised(self, side: Side) -> Mapping[int, str]:
        """The whole file as fingerprints see it."""
        return self.read(side, normalise_code, whole=True)

    def _once(self, key: tuple[object, ...], make: Callable[[], Mapping[int, str]]) -> Mapping[int, str]:
        if key not in self._read:
            self._read[key] = make()
        return self._read[key]
