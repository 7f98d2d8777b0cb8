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


# -- names that look like others --------------------------------------------------------------------------------------


class Head:
    """A file of which the head is known."""

    def __init__(self, text: str) -> None:
        self._text = text

    def head(self, path: str) -> bytes | None:
        return self._text.encode()

    def base(self, path: str) -> bytes | None:
        return None


def confusable(text: str, path: str, *, known: bool = True) -> list[tuple[int | None, int | None, str]]:
    body = "+" + text.replace("\n", "\n+")
    file = FileChange(path, "modified", hunks=(Hunk(1, 0, 1, text.count("\n") + 1, "", body.encode()),))
    report = Unicode().run(ChangeSet(ChangeRef("diff"), (file,)), Head(text) if known else NoFiles())
    assert all(f.rule == "unicode/confusable" and f.message.isascii() for f in report.findings)
    return [(f.line, f.column, f.severity.value if f.severity else "") for f in report.findings]


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("a.py", "p\u0430ypal = 1\n", [(1, 1, "warning")]),
        ("a.py", "def check(user): ...\nif user.is_\u0430dmin:\n    pass\nis_admin = 2\n", [(2, 9, "blocker")]),
        ("a.py", "\u0441\u043e\u0440\u0443 = 1\ncopy = 2\n", [(1, 1, "blocker")]),
        ("a.py", "x = f'{us\u0435r}'\n", [(1, 8, "warning")]),
        ("a.js", "const t\u03bfken = 1;\nobj.\u0440assword;\n", [(1, 7, "warning"), (2, 5, "warning")]),
        ("a.go", "package a\n\nfunc \u0421heck() {}\n", [(3, 6, "warning")]),
        ("a.rs", "fn m\u0430in() {}\n", [(1, 4, "warning")]),
        ("A.java", "class \uff21dmin { int \u0456d; }\n", [(1, 7, "warning"), (1, 19, "warning")]),
        ("a.c", "int \u0430dmin;\n", [(1, 5, "warning")]),
        ("a.rb", "us\u0435r = 1\n", [(1, 1, "warning")]),
        ("a.sql", "select us\u0435r from t\n", [(1, 8, "warning")]),
        ("a.py", "\U0001d41dir = 1\ndir\n", [(1, 1, "blocker")]),
        ("a.py", "\u1d04at = 1\n", [(1, 1, "warning")]),
        ("Makefile", "t\u0435st:\n", [(1, 1, "warning")]),
    ],
)
def test_a_name_with_letters_of_another_script_is_found(
    path: str, text: str, found: list[tuple[int, int, str]]
) -> None:
    assert confusable(text, path) == found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "# \u0421omment with a mixed w\u043erd\ns = 'p\u0430ypal'\ns = f'p\u0430ypal {1}'\n"),
        ("a.py", "'''p\u0430ypal\n\nus\u0435r'''\n"),
        ("a.js", "// p\u0430ypal\nlet a = `p\u0430ypal`; /p\u0430y/.test(a)\n"),
        ("a.tsx", "const a = <p>p\u0430ypal</p>;\n"),
        ("a.py", "\u043f\u0440\u0438\u0432\u0435\u0442 = 1\n\u0434\u0430\u043d\u043d\u044b\u0435_x = 2\n"),  # words
        ("a.py", "\u03c3 = 1\n\u03c3_x = 2\n\u0394t = 3\n\u03bbmax = 4\n\u03b1 = a = \u03c12\n"),  # formulas
        ("a.py", "caf\u00e9 = na\u00efve = \u00fcber = stra\u00dfe = 1\n"),
        ("a.py", "\u5909\u6570 = \u30c7\u30fc\u30bf = 1\n"),
        ("README.md", "p\u0430ypal\n"),
        ("locale/ru.po", "msgstr \"p\u0430ypal\"\n"),
        ("a.json", "{\"p\u0430ypal\": 1}\n"),
        ("LICENSE", "p\u0430ypal\n"),
        ("a.sql", "-- p\u0430ypal\nselect 'p\u0430ypal'\n"),
    ],
)  # fmt: skip
def test_words_formulas_and_prose_of_any_script_are_left_alone(path: str, text: str) -> None:
    assert confusable(text, path) == []


def test_without_the_whole_file_quotes_and_comments_are_told_by_the_line() -> None:
    assert confusable("p\u0430ypal = 'p\u0430ypal'  # p\u0430ypal\n", "a.py", known=False) == [(1, 1, "warning")]


def test_the_message_writes_no_letter_that_misleads() -> None:
    file = added("p\u0430yp\u03bfl = 1", start=1)
    (finding,) = Unicode().run(ChangeSet(ChangeRef("diff"), (file,)), Head("p\u0430yp\u03bfl = 1")).findings
    assert finding.message == (
        "What reads `paypol` holds U+0430 (Cyrillic), U+03BF (Greek). "
        "People read another name than the program does. Type it anew in one script."
    )


def test_a_new_file_name_with_mixed_letters_is_found() -> None:
    (finding,) = findings(FileChange("src/\u0441onfig.py", "added"))
    assert (finding.rule, finding.line, finding.title) == (
        "unicode/confusable", None, "A name with letters that look like others in the file's name",
    )  # fmt: skip
    assert findings(FileChange("docs/\u043f\u0440\u0438\u0432\u0435\u0442.md", "added")) == ()
