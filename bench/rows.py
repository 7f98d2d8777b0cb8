"""The rows of the table: a figure, what it must be, what it should be, and the verdict."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing measured."""

    what: str
    figure: float
    unit: str
    must: float | None = None
    goal: float | None = None
    better: Literal["less", "more"] = "less"
    timed: bool = True
    """Whether it depends on how fast and how busy the machine is."""
    note: str = ""

    @property
    def verdict(self) -> str:
        """`goal` met, `must` met, `MISSED`, or nothing to hold it against."""
        if self.must is None or self.goal is None:
            return ""
        if self._reaches(self.goal):
            return "goal"
        return "must" if self._reaches(self.must) else "MISSED"

    def _reaches(self, bar: float) -> bool:
        return self.figure <= bar if self.better == "less" else self.figure >= bar

    def document(self) -> dict[str, object]:
        """For the JSON file."""
        return {**asdict(self), "verdict": self.verdict}


def spread(values: Sequence[float], digits: int = 3) -> str:
    """`median 0.331, n 15`: what stands beside a minimum."""
    return f"median {statistics.median(values):.{digits}f}, n {len(values)}"


def table(rows: Sequence[Row]) -> str:
    """As text."""
    head = ("what", "figure", "must", "goal", "verdict", "")
    body = [
        (row.what, _figure(row.figure, row.unit), _bar(row, row.must), _bar(row, row.goal), row.verdict,
         textwrap.shorten(row.note, 64, placeholder=" …"))
        for row in rows
    ]  # fmt: skip
    widths = [max(len(line[column]) for line in (head, *body)) for column in range(len(head))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "  ".join(
            cell.rjust(w) if 1 <= n <= 3 else cell.ljust(w)
            for n, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (head, rule, *body)
    )


def _bar(row: Row, bar: float | None) -> str:
    return "" if bar is None else ("≤ " if row.better == "less" else "≥ ") + _figure(bar, "")


def _figure(value: float, unit: str) -> str:
    text = f"{value:.0f}" if value == int(value) and (abs(value) >= 10 or unit in ("", "requests")) else f"{value:.3g}"
    return f"{text} {unit}".rstrip()
