"""Where a finding ends up, given what the model claimed and quoted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.core.finding import RawFinding
from loom.engine.anchor import Place, code_at, locate
from loom.engine.sides import Sides

NEW = {
    10: "def total(items):",
    11: "    subtotal = sum(i.price for i in items)",
    12: "    rate = DISCOUNTS[code]",
    13: "    if rate:",
    14: "        return None",
    15: "    return subtotal * (1 - rate)",
    40: "    if rate:",
    41: "        return None",
}
OLD = {10: "def total(items):", 11: "    rate = DISCOUNTS.get(code, 0)"}
SIDES = Sides("src/cart.py", "src/cart.py", NEW, OLD, frozenset({12, 13, 14}), frozenset({11}))


def raw(line: int | None = None, quote: str | None = None, end: int | None = None, side: str = "new") -> RawFinding:
    return RawFinding(path="src/cart.py", message="m", line=line, end_line=end, quote=quote, side=side)  # type: ignore[arg-type]


CASES = {
    "the quote at the line": (raw(12, "rate = DISCOUNTS[code]"), Place("exact", "new", 12, 12)),
    "the quote elsewhere": (raw(15, "rate = DISCOUNTS[code]"), Place("moved", "new", 12, 12)),
    "the nearest of several": (raw(42, "    if rate:\n        return None"), Place("moved", "new", 40, 41)),
    "several and none near": (raw(90, "if rate:"), Place("file", "new", None, None)),
    "several and no claim: the changed one": (raw(None, "if rate:"), Place("exact", "new", 13, 13)),
    "other spacing and case": (raw(12, "RATE=discounts[ code ]"), Place("moved", "new", 12, 12)),
    "a removed line quoted as new": (raw(12, "DISCOUNTS.get(code, 0)"), Place("moved", "old", 11, 11)),
    "our own gutter copied along": (raw(12, "  12 + |     rate = DISCOUNTS[code]"), Place("exact", "new", 12, 12)),
    "a diff's marks copied along": (raw(12, "+    rate = DISCOUNTS[code]"), Place("moved", "new", 12, 12)),
    "a claimed range around the quote": (raw(11, "DISCOUNTS[code]", 13), Place("exact", "new", 11, 13)),
    "a range shifts with its quote": (
        raw(10, "rate = DISCOUNTS[code]\n    if rate:", 11),
        Place("moved", "new", 12, 13),
    ),
    "a long range is cut at the hunk": (raw(14, "return None", 30), Place("exact", "new", 14, 15, whole_range=False)),
    "no quote: the number": (raw(13), Place("exact", "new", 13, 13)),
    "no quote, a line outside the hunks": (raw(25), Place("file", "new", 25, 25)),
    "neither quote nor number": (raw(), Place("file", "new", None, None)),
    "a range shifted, its quote in the middle": (
        raw(11, "if rate:", 12),
        Place("moved", "new", 13, 13, whole_range=False),
    ),
    "a part of the claimed line, a whole line elsewhere": (raw(14, "return"), Place("exact", "new", 14, 14)),
    "a line no file has": (
        raw(10, "rate = DISCOUNTS[code]", 1_000_000_000),
        Place("exact", "new", 10, 15, whole_range=False),
    ),
    "no quote, a line no file has": (raw(13, None, 1_000_000_000), Place("exact", "new", 13, 15, whole_range=False)),
    "a number below one": (raw(-3, "rate = DISCOUNTS[code]"), Place("exact", "new", 12, 12)),
    "an empty quote is none": (raw(13, "  \n "), Place("exact", "new", 13, 13)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_finding_is_placed_by_its_quote_then_its_number(case: str) -> None:
    finding, expected = CASES[case]
    assert locate(finding, SIDES) == expected


def test_invented_code_has_no_place() -> None:
    assert locate(raw(12, "rate = lookup(code)"), SIDES) is None


def test_code_of_the_file_outside_the_diff_is_not_invented() -> None:
    whole = [NEW.get(n, f"filler {n}") for n in range(1, 60)]
    sides = Sides("src/cart.py", "src/cart.py", NEW, OLD, frozenset({12}), frozenset(), whole)
    assert locate(raw(12, "filler 30"), sides) == Place("file", "new", 30, 30)


def test_the_running_number_of_a_masked_secret_does_not_matter() -> None:
    sides = Sides("a", "a", {1: 'key = "[REDACTED:github-token:2]"'}, {}, frozenset({1}), frozenset())
    assert locate(raw(1, 'key = "[REDACTED:github-token:1]"'), sides) == Place("exact", "new", 1, 1)


def test_a_markdown_table_row_is_not_taken_for_our_gutter() -> None:
    sides = Sides("a", "a", {1: "| a | b |", 2: "| c | d |"}, {}, frozenset({1}), frozenset())
    assert locate(raw(1, "| a | b |\n| c | d |"), sides) == Place("exact", "new", 1, 2)


def test_the_anchored_code_is_what_stands_there() -> None:
    assert code_at(Place("exact", "new", 13, 14), SIDES) == "    if rate:\n        return None"
    assert code_at(Place("file", "new", None, None), SIDES) == ""


line_text = st.text(alphabet="abx(){} =", max_size=12)


@given(
    texts=st.lists(line_text, min_size=1, max_size=30),
    claim=st.none() | st.integers(-5, 60),
    end=st.none() | st.integers(-5, 60),
    start=st.integers(0, 29),
    height=st.integers(1, 4),
)
def test_a_line_to_comment_on_can_always_carry_a_comment(
    texts: list[str], claim: int | None, end: int | None, start: int, height: int
) -> None:
    new = {n: text for n, text in enumerate(texts, 1) if n % 7}  # every seventh line is outside the hunks
    sides = Sides("a", "a", new, {}, frozenset(list(new)[::2]), frozenset())
    quote = "\n".join(texts[start : start + height])
    place = locate(raw(claim, quote, end), sides)
    if place is not None and place.anchor in ("exact", "moved"):
        assert place.line is not None
        assert place.end_line is not None
        assert all(n in new for n in range(place.line, place.end_line + 1))
