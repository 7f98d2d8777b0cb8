"""When a suggestion may be committed with one click."""

from __future__ import annotations

import pytest

from loom.core.finding import RawFinding, Suggestion
from loom.engine.anchor import Place
from loom.engine.suggest import prove

HEAD = b"def f(x):\n    if x:\n        return g(x)\n    return None\n"


def raw(text: str | None, line: int | None = 3, end: int | None = None) -> RawFinding:
    return RawFinding(path="a.py", message="m", line=line, end_line=end, suggestion=text)


def at(line: int, end: int | None = None, **more: object) -> Place:
    return Place("exact", "new", line, end or line, **more)  # type: ignore[arg-type]


CASES = {
    "applies, changes and parses": (raw("        return h(x)"), at(3), HEAD, ("        return h(x)", True)),
    "given from column one": (raw("return h(x)"), at(3), HEAD, ("        return h(x)", True)),
    "does not parse": (raw("        return h(x"), at(3), HEAD, ("        return h(x", False)),
    "deletes the line": (raw(""), at(4), HEAD, ("", True)),
    "holds a masked secret": (
        raw('        key = "[REDACTED:x:1]"'),
        at(3),
        HEAD,
        ('        key = "[REDACTED:x:1]"', False),
    ),
    "the range was cut": (raw("a"), at(3, whole_range=False), HEAD, ("a", False)),
    "a range other than claimed": (raw("        return h(x)", 3), at(2, 3), HEAD, ("        return h(x)", False)),
    "the file is not known": (raw("        return h(x)"), at(3), None, ("        return h(x)", False)),
    "the line is not in the file": (raw("x", 40), at(40), HEAD, ("x", False)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_suggestion_is_committable_only_when_proved(case: str) -> None:
    finding, place, head, (text, committable) = CASES[case]
    expected = Suggestion(place.line or 0, place.end_line or 0, text, committable)
    assert prove(finding, place, path="a.py", head=head) == expected


def test_a_suggestion_that_changes_nothing_is_none() -> None:
    assert prove(raw("        return g(x)"), at(3), path="a.py", head=HEAD) is None


@pytest.mark.parametrize("place", [Place("file", "new", None, None), Place("exact", "old", 3, 3)])
def test_only_lines_of_the_new_side_can_be_replaced(place: Place) -> None:
    assert prove(raw("x"), place, path="a.py", head=HEAD) is None


def test_line_ends_of_the_file_are_kept() -> None:
    head = HEAD.replace(b"\n", b"\r\n")
    suggestion = prove(raw("        return h(x)"), at(3), path="a.py", head=head)
    assert suggestion == Suggestion(3, 3, "        return h(x)", committable=True)
    assert prove(raw("        return g(x)"), at(3), path="a.py", head=head) is None
