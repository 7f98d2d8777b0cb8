"""Suggestions put into files: where each belongs, what overlaps, what no longer fits."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from support.results import finding, result

from loom.core.finding import Finding, Suggestion
from loom.core.result import ResultFile, ResultHunk, ReviewResult
from loom.engine.fix import CHANGED, Fixes, fixes

LINES = ["one", "two", "three", "four", "five", "six", "seven"]


def fix(
    number: int, text: str, *, end: int | None = None, name: str | None = None, committable: bool = True
) -> Finding:
    suggestion = Suggestion(number, end or number, text, committable=committable)
    return finding(fingerprint=name or f"{number:016}", path="a.txt", line=number, quote=None, suggestion=suggestion)


def reviewed(lines: Sequence[str] = LINES) -> ReviewResult:
    """A result about a new file with these lines."""
    hunk = ResultHunk(old_start=0, new_start=1, section="", lines=tuple(("+", line) for line in lines))
    file = ResultFile(
        path="a.txt", old_path=None, status="added", added=len(lines), deleted=0, binary=False, reviewed=True,
        reason=None, commentable=f"1-{len(lines)}", hunks=(hunk,),
    )  # fmt: skip
    return result(files=(file,), findings=())


def made(*findings: Finding, now: str | None = None, lines: Sequence[str] = LINES) -> Fixes:
    content = "\n".join(lines) + "\n" if now is None else now
    return fixes(reviewed(lines), findings, {"a.txt": content.encode()}.get)


def after(found: Fixes) -> str:
    (file,) = found.files
    return file.after.decode()


def test_several_in_one_file_do_not_move_each_other() -> None:
    found = made(fix(2, "2\n2b"), fix(5, ""), fix(6, "6"))
    assert after(found) == "one\n2\n2b\nthree\nfour\n6\nseven\n"
    assert found.refused == ()


def test_of_two_that_overlap_the_first_is_applied_and_the_other_named() -> None:
    found = made(fix(2, "2-3", end=3), fix(3, "3"))
    assert after(found) == "one\n2-3\nfour\nfive\nsix\nseven\n"
    assert [refused.reason for refused in found.refused] == ["it overlaps with 0000000000000002"]


def test_a_line_that_stands_twice_is_told_apart_by_its_neighbours() -> None:
    lines = ["a", "same", "b", "c", "same", "d"]
    moved = "new\n" + "\n".join(lines) + "\n"
    assert after(made(fix(5, "changed"), now=moved, lines=lines)) == "new\na\nsame\nb\nc\nchanged\nd\n"


def test_where_the_code_changed_nothing_is_applied() -> None:
    found = made(fix(2, "2"), now="one\nzwei\nthree\n")
    assert found.files == ()
    assert [refused.reason for refused in found.refused] == [CHANGED]


def test_what_was_not_proved_is_refused_with_the_reason() -> None:
    found = made(fix(2, "2", committable=False))
    assert [refused.reason for refused in found.refused] == ["its suggestion was not proved to apply"]


def test_two_that_break_the_file_together_are_both_refused() -> None:
    lines = ["if x:", "    a()", "    b()", "c()"]
    first = finding(path="a.py", line=2, fingerprint="1" * 16, suggestion=Suggestion(2, 2, "", True))
    second = finding(path="a.py", line=3, fingerprint="2" * 16, suggestion=Suggestion(3, 3, "", True))
    hunk = ResultHunk(old_start=0, new_start=1, section="", lines=tuple(("+", line) for line in lines))
    file = ResultFile(
        path="a.py", old_path=None, status="added", added=4, deleted=0, binary=False, reviewed=True, reason=None,
        commentable="1-4", hunks=(hunk,),
    )  # fmt: skip
    content = ("\n".join(lines) + "\n").encode()
    both = fixes(result(files=(file,)), [first, second], {"a.py": content}.get)
    assert both.files == ()
    assert {refused.finding.fingerprint for refused in both.refused} == {"1" * 16, "2" * 16}
    assert after(fixes(result(files=(file,)), [first], {"a.py": content}.get)) == "if x:\n    b()\nc()\n"


@given(st.sets(st.integers(1, 7)), st.text("ab\n", max_size=4))
def test_what_is_not_replaced_stays_as_it_was(numbers: set[int], text: str) -> None:
    text = text.removesuffix("\n")
    found = made(*(fix(number, text) for number in numbers))
    expected: list[str] = []
    for number, line in enumerate(LINES, 1):
        expected += [line] if number not in numbers else text.split("\n") if text else []
    got = after(found) if numbers else "\n".join(LINES) + "\n"
    assert got == "\n".join([*expected, ""])
