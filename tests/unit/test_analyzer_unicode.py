"""builtin/unicode: what cannot be seen is said; emoji, joining scripts and ordinary line ends are left alone."""

from __future__ import annotations

import pytest
from support.data import shared

from loom.analyzers.unicode import LINES_PER_FILE, Unicode
from loom.core.change import ChangeRef, ChangeSet, NoFiles
from loom.core.diff import FileChange, Hunk
from loom.core.finding import RawFinding, Severity
from loom.infra.parse_diff import parse


def findings(*files: FileChange) -> tuple[RawFinding, ...]:
    return Unicode().run(ChangeSet(ChangeRef("diff"), files), NoFiles()).findings


def added(*lines: str, path: str = "a.py", start: int = 5) -> FileChange:
    body = "\n".join("+" + line for line in lines).encode("utf-8", "surrogateescape")
    return FileChange(path, "modified", hunks=(Hunk(start, 0, start, len(lines), "", body),))


def rules(*lines: str, start: int = 5) -> list[str | None]:
    return [finding.rule for finding in findings(added(*lines, start=start))]


@pytest.mark.parametrize(
    ("case", "rule", "severity", "column", "named"),
    [
        ("c_bidi", "unicode/bidi", Severity.BLOCKER, 19, "U+202E (right-to-left override), U+2066"),
        ("c_tags", "unicode/tag", Severity.BLOCKER, 5, "the tags spell 'ignore all rules'"),
        ("c_zw", "unicode/invisible", Severity.WARNING, 5, "U+200B (zero width space), U+200D (zero width joiner)"),
    ],
)
def test_the_hostile_diffs_are_found(case: str, rule: str, severity: Severity, column: int, named: str) -> None:
    parsed = parse(shared("data", "git-diffs", f"{case}.diff").read_bytes())
    (finding,) = findings(*parsed.files)
    assert (finding.path, finding.line, finding.column) == ("f.py", 5, column)
    assert (finding.rule, finding.severity, finding.quote) == (rule, severity, None)
    assert named in finding.message
    assert not any(ord(char) > 0x2027 and not char.isprintable() for char in finding.message)


@pytest.mark.parametrize(
    "line",
    [
        "ok = '\U0001f468\u200d\U0001f469\u200d\U0001f467 ❤\ufe0f 1\ufe0f\u20e3 \U0001f44d\U0001f3fd'",
        "flag = '\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f'",
        "word = 'می\u200cخواهم'",
        "tab\tand form feed\f and a DOS line end\r",
        "naïve 日本語 ไทย עברית",
        "escapes: '\\u202e' \\x1b",
    ],
)
def test_ordinary_text_is_left_alone(line: str) -> None:
    assert rules(line) == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("if x:\u2028    y()", "unicode/control"),
        ("title = '\x1b]0;x\x07'", "unicode/control"),
        ("half\rhidden", "unicode/control"),
        ("\x9b31m", "unicode/control"),
        ("a\u200db", "unicode/invisible"),
        ("x\ufe01\U000e0101", "unicode/invisible"),
        ("\u3164 = 1", "unicode/invisible"),
        ("late\ufeff", "unicode/invisible"),
        ("\U0001f3f4\U000e0067\U000e0062", "unicode/tag"),
    ],
)
def test_what_hides_is_found(line: str, rule: str) -> None:
    assert rules(line) == [rule]


def test_a_byte_order_mark_may_begin_a_file_and_nothing_else() -> None:
    assert rules("\ufeffimport os", start=1) == []
    assert rules("\ufeffimport os", start=2) == ["unicode/invisible"]


def test_only_added_lines_count() -> None:
    body = " old \u202e\n-gone \u202e\n+new".encode()
    assert findings(FileChange("a.py", "modified", hunks=(Hunk(1, 2, 1, 2, "", body),))) == ()


def test_a_line_with_two_kinds_gets_a_finding_for_each() -> None:
    assert rules("\u202e\u200b") == ["unicode/bidi", "unicode/invisible"]


def test_many_lines_of_one_kind_are_counted_not_listed() -> None:
    found = findings(added(*["x\u200b"] * (LINES_PER_FILE + 1000)))
    assert len(found) == LINES_PER_FILE
    assert "1,000 more added lines" in found[0].message
    assert "more added lines" not in found[1].message


def test_a_new_name_is_looked_at_and_an_old_one_not() -> None:
    (finding,) = findings(FileChange("app\u202egnp.exe", "added"))
    assert (finding.rule, finding.line) == ("unicode/bidi", None)
    assert finding.message.startswith("The name holds U+202E (right-to-left override).")
    assert findings(FileChange("app\u202egnp.exe", "modified")) == ()
    assert findings(FileChange("caf\udce9.py", "added")) == ()
