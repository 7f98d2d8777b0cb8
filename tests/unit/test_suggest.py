"""When a suggestion may be committed with one click."""

from __future__ import annotations

import pytest

from loom.core.finding import RawFinding, Suggestion
from loom.engine import suggest
from loom.engine.anchor import Place

HEAD = b"def f(x):\n    if x:\n        return g(x)\n    return None\n"
HIDDEN = HEAD.replace(b"return g(x)", "x = 'a\u200db'".encode())
LATIN = HEAD.replace(b"return g(x)", b"x = '\xe9'")
LONG = HEAD.replace(b"return g(x)", b"x = 1" + b"0" * 4_000)


def prove(raw: RawFinding, place: Place, *, head: bytes | None, by_model: bool = True) -> Suggestion | None:
    return suggest.prove(raw, place, path="a.py", head=head, by_model=by_model)


def raw(text: str | None, line: int | None = 3, end: int | None = None) -> RawFinding:
    return RawFinding(path="a.py", message="m", line=line, end_line=end, suggestion=text)


def at(line: int, end: int | None = None, **more: object) -> Place:
    return Place("exact", "new", line, end or line, **more)  # type: ignore[arg-type]


CASES = {
    "applies, changes and parses": (raw("        return h(x)"), at(3), HEAD, ("        return h(x)", True)),
    "given from column one": (raw("return h(x)"), at(3), HEAD, ("        return h(x)", True)),
    "does not parse": (raw("        return h(x"), at(3), HEAD, ("        return h(x", False)),
    "holds a masked secret": (
        raw('        key = "[REDACTED:x:1]"'),
        at(3),
        HEAD,
        ('        key = "[REDACTED:x:1]"', False),
    ),
    "the range was cut": (raw("a"), at(3, whole_range=False), HEAD, ("a", False)),
    "a quote from the middle of a range that moved": (
        raw("    if y:\n        return h(x)\n", 1, 2),
        Place("moved", "new", 2, 3, whole_range=False),
        HEAD,
        ("    if y:\n        return h(x)", False),
    ),
    "spells out what cannot be seen": (
        raw("        return '<U+200D>'"),
        at(3),
        HEAD,
        ("        return '<U+200D>'", False),
    ),
    "brings what cannot be seen": (raw("        return 'a\u202eb'"), at(3), HEAD, ("        return 'a\u202eb'", False)),
    "replaces what cannot be seen": (raw("        x = ''"), at(3), HIDDEN, ("        x = ''", False)),
    "keeps an emoji": (raw("        x = '👩‍💻!'"), at(3), HEAD, ("        x = '👩‍💻!'", True)),
    "the file is not UTF-8": (raw("        x = '\\xe9!'"), at(3), LATIN, ("        x = '\\xe9!'", False)),
    "the line was shown cut": (raw("        x = 1"), at(3), LONG, ("        x = 1", False)),
    "a range other than claimed": (raw("        return h(x)", 3), at(2, 3), HEAD, ("        return h(x)", False)),
    "the file is not known": (raw("        return h(x)"), at(3), None, ("        return h(x)", False)),
    "the line is not in the file": (raw("x", 40), at(40), HEAD, ("x", False)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_suggestion_is_committable_only_when_proved(case: str) -> None:
    finding, place, head, (text, committable) = CASES[case]
    expected = Suggestion(place.line or 0, place.end_line or 0, text, committable)
    assert prove(finding, place, head=head) == expected


@pytest.mark.parametrize("text", ["", "\n", "  \n"])
def test_a_model_that_suggests_nothing_does_not_suggest_to_delete(text: str) -> None:
    assert prove(raw(text, 4), at(4), head=HEAD) is None


def test_a_tool_may_delete_lines_and_take_out_what_cannot_be_seen() -> None:
    assert prove(raw("", 4), at(4), head=HEAD, by_model=False) == Suggestion(4, 4, "", committable=True)
    fix = prove(raw("        x = 'ab'"), at(3), head=HIDDEN, by_model=False)
    assert fix == Suggestion(3, 3, "        x = 'ab'", committable=True)


def test_a_suggestion_that_changes_nothing_is_none() -> None:
    assert prove(raw("        return g(x)"), at(3), head=HEAD) is None


@pytest.mark.parametrize("place", [Place("file", "new", None, None), Place("exact", "old", 3, 3)])
def test_only_lines_of_the_new_side_can_be_replaced(place: Place) -> None:
    assert prove(raw("x"), place, head=HEAD) is None


def test_line_ends_of_the_file_are_kept() -> None:
    head = HEAD.replace(b"\n", b"\r\n")
    suggestion = prove(raw("        return h(x)"), at(3), head=head)
    assert suggestion == Suggestion(3, 3, "        return h(x)", committable=True)
    assert prove(raw("        return g(x)"), at(3), head=head) is None


def test_a_line_end_cut_in_half_is_not_put_in_twice() -> None:
    head = HEAD.replace(b"\n", b"\r\n")  # a tool that cuts lines at LF gives back the CR before it
    assert prove(raw("        return h(x)\r"), at(3), head=head) == Suggestion(3, 3, "        return h(x)", True)
    assert prove(raw("        return g(x)\r"), at(3), head=head) is None


def test_what_is_parsed_for_all_suggestions_of_a_review_is_bounded() -> None:
    effort = suggest.Effort(left=2 * len(HEAD) + 10)
    proved = [
        suggest.prove(raw("        return h(x)"), at(3), path=path, head=HEAD, by_model=True, effort=effort)
        for path in ("a.py", "a.py", "a.py", "a.unknown")
    ]
    assert [s.committable for s in proved if s] == [True, True, False, True]
    assert effort.unproved == 1
