"""What holds for every format in the table: any bytes are findings or a ScriptError, places are places of a repository,
and output in another format is never taken for "nothing found"."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.data import ROOT

from loom.analyzers import formats
from loom.analyzers.formats import junit, xml
from loom.analyzers.formats.base import Parsed, Reading
from loom.core.errors import ScriptError
from loom.core.finding import RawFinding, Severity

CASES = ROOT / "tests" / "cases" / "formats"
LINES = ("text", "regex", "github")  # logs in which findings stand between other lines
STRICT = sorted(set(formats.FORMATS) - set(LINES))
PATTERN = r"^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?P<message>.*)$"
TEXT = b"def f(a=[]):\n    caf\xc3\xa9 = '\xf0\x9f\x98\x80'\r\n\xff\xfe broken\n"


def reading(**settings: object) -> Reading:
    return Reading(root=Path("/repo"), pattern=PATTERN, head=lambda path: TEXT, **settings)  # type: ignore[arg-type]


def read(name: str, data: bytes) -> Parsed | None:
    """None where the bytes were refused; everything else that goes wrong fails the test."""
    try:
        return formats.parse(name, data, reading(known=frozenset(("src/a.py", "src/b c.js"))))
    except ScriptError as error:
        told = (error.message, error.hint)
    assert all(told)
    return None


def is_sound(finding: RawFinding) -> bool:
    path = finding.path
    inside = path == posixpath.normpath(path) or re.match(r"/|[A-Za-z]:", path)
    lines = finding.line is None or (finding.line >= 1 and (finding.end_line or finding.line) >= finding.line)
    column = finding.column is None or finding.column >= 1
    named = (finding.suggestion is None or finding.line is not None) and finding.message != ""
    return bool(path and inside and lines and column and named)


def check(data: bytes, names: object = tuple(formats.FORMATS)) -> None:
    for name in names:  # type: ignore[attr-defined]
        parsed = read(name, data)
        for finding in parsed.findings if parsed else ():
            assert is_sound(finding), (name, finding)


@given(st.binary(max_size=300))
@example(b"\x00")
@example(b"<checkstyle/>")
@example(b"\xff\xfe<\x00a\x00/\x00>\x00")
def test_any_bytes_are_findings_or_a_script_error(data: bytes) -> None:
    check(data)


REAL = sorted(p for p in CASES.iterdir() if p.suffix[1:] in formats.FORMATS and ".expected" not in p.name)


@given(st.data())
def test_real_output_that_was_cut_or_damaged_is_findings_or_a_script_error(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(REAL))
    whole = case.read_bytes()[:6_000]
    at = data.draw(st.integers(0, len(whole)))
    upto = data.draw(st.integers(at, min(len(whole), at + 20)))
    check(whole[:at] + data.draw(st.binary(max_size=5)) + whole[upto:], (case.suffix[1:],))


@pytest.mark.parametrize("case", REAL, ids=lambda case: case.name)
def test_a_report_that_ends_too_early_is_no_clean_report(case: Path) -> None:
    name, whole = case.suffix[1:], case.read_bytes().rstrip().rstrip(b"\0")
    if name not in STRICT:
        return
    for cut in (whole[: len(whole) // 2], whole[:-1]):
        parsed = read(name, cut)
        assert parsed is None or parsed.findings or parsed.problems, cut[-80:]


@pytest.mark.parametrize("name", [n for n in STRICT if n not in ("json", "rdjsonl")])
def test_no_output_at_all_is_no_clean_report(name: str) -> None:
    for empty in (b"", b"\n \n"):
        assert read(name, empty) is None


@pytest.mark.parametrize("name", STRICT)
@pytest.mark.parametrize(
    "garbage",
    [
        b"command not found\n",
        b"Traceback (most recent call last):\n  boom\n",
        b"<html><body>502 Bad Gateway</body></html>",
        b'{"error": "no configuration"}',
        b"[1, 2]",
        b"42",
        b"src/a.py:1:2: error: text instead of the format\n",
        b"\x1b[31mred\x1b[0m",
    ],
)
def test_garbage_is_never_silence(name: str, garbage: bytes) -> None:
    parsed = read(name, garbage)
    assert parsed is None or parsed.problems or parsed.unread, parsed


ELEMENTS = ["checkstyle", "file", "error", "exception", "testsuites", "testsuite", "testcase", "failure", "properties"]
NAMES = ["name", "line", "column", "severity", "message", "source", "file", "classname", "type", "path", "lineno"]
VALUES = st.sampled_from(
    ["", "0", "-1", "1", "7", "99999999999", "src/a.py", "/repo/src/a.py", "./x", ".", "..\\y.py", "org.ruff.F401",
     "a.b.C", "error", "x/y.go", "line 3, col 0, Error - x", "file:///repo/%2e%2e/z.py", "at a.B.c(B.java:0)"]
)  # fmt: skip


@st.composite
def trees(draw: st.DrawFn, depth: int = 4) -> str:
    name = draw(st.sampled_from(ELEMENTS))
    attributes = draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
    inner = draw(st.lists(trees(depth - 1), max_size=3)) if depth else []
    shown = "".join(f" {key}='{value}'" for key, value in attributes.items())
    return f"<{name}{shown}>{draw(VALUES)}{''.join(inner)}</{name}>"


@given(trees())
def test_any_tree_of_elements_is_findings_or_a_script_error(tree: str) -> None:
    check(f"<checkstyle>{tree}</checkstyle>".encode(), ("checkstyle",))
    check(f"<testsuites><testsuite>{tree}</testsuite></testsuites>".encode(), ("junit",))


KEYS = ["message", "location", "path", "range", "start", "end", "line", "column", "severity", "code", "value", "url",
        "suggestions", "text", "description", "check_name", "lines", "begin", "positions", "type", "content", "body",
        "categories"]  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | VALUES
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)
POSITION = st.dictionaries(st.sampled_from(["line", "column"]), st.integers(-1, 6))
RANGE = st.fixed_dictionaries({}, optional={"start": POSITION, "end": POSITION})
DIAGNOSTIC = st.fixed_dictionaries(
    {"message": VALUES, "location": st.fixed_dictionaries({"path": VALUES, "range": RANGE})},
    optional={"suggestions": st.lists(st.fixed_dictionaries({"range": RANGE, "text": st.text("ab\n", max_size=4)}))},
)


@given(JSON | DIAGNOSTIC)
def test_any_json_is_findings_or_a_script_error(value: object) -> None:
    check(json.dumps({"diagnostics": [value]}).encode(), ("rdjson",))
    check(json.dumps(value).encode() + b"\n" + json.dumps(value).encode(), ("rdjsonl",))
    check(json.dumps([value]).encode(), ("codequality",))


@given(st.lists(st.tuples(st.sampled_from(["file", "line", "endLine", "col", "title"]), VALUES), max_size=5), VALUES)
def test_any_annotation_is_findings_or_a_script_error(properties: list[tuple[str, str]], message: str) -> None:
    told = ",".join(f"{key}={value}" for key, value in properties)
    check(f"::error {told}::{message}\n##[warning {told}]{message}\n".encode(), ("github",))


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">
<!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]><checkstyle><file name="&lol2;"/></checkstyle>"""


@pytest.mark.parametrize("name", ["checkstyle", "junit"])
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (BOMB, "document type (DTD)"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "document type (DTD)"),
        (b'<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:1/">]><x>&e;</x>', "document type (DTD)"),
        (b"<checkstyle>&e;</checkstyle>", "undefined entity"),
        (b"<a>" * (xml.MAX_DEPTH + 1), "nested deeper"),
        (b"<a>" + b"<b/>" * xml.MAX_ELEMENTS, "more than 500,000 elements"),
        (b"<other/>", "its outermost element is <other>"),
        (b"<checkstyle><file></checkstyle>", "mismatched tag"),
        (b'<?xml version="1.0" encoding="klingon"?><checkstyle/>', "encoding"),
        (b'<?xml version="1.0" encoding="idna"?><checkstyle/>', "encoding"),
        (b'<?xml version="1.0" encoding="shift_jis"?><checkstyle>\xff</checkstyle>', "it is not shift_jis"),
        (b"<checkstyle/><checkstyle/>", "junk after document element"),
        (b"Starting audit...\n<checkstyle/>", "syntax error"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_xml_that_is_hostile_or_something_else_is_refused(name: str, data: bytes, says: str) -> None:
    with pytest.raises(ScriptError) as caught:
        formats.parse(name, data, reading())
    assert says in caught.value.message


@pytest.mark.parametrize(
    "told", ["src/a.py", "./src/a.py", "/repo/src/a.py", "file:///repo/src/a.py", "src\\a.py", "src//a.py"]
)
def test_every_format_with_paths_makes_them_relative_to_the_repository(told: str) -> None:
    outputs = {
        "checkstyle": f'<checkstyle><file name="{told}"><error line="1" message="m"/></file></checkstyle>',
        "junit": f'<testsuite><testcase name="t" file="{told}" line="1"><failure message="m"/></testcase></testsuite>',
        "rdjson": json.dumps({"diagnostics": [{"message": "m", "location": {"path": told}}]}),
        "rdjsonl": json.dumps({"message": "m", "location": {"path": told}}),
        "codequality": json.dumps([{"description": "m", "location": {"path": told}}]),
        "github": f"::error file={told},line=1::m",
        "json": json.dumps([{"path": told, "line": 1, "message": "m"}]),
    }
    for name, output in outputs.items():
        (finding,) = formats.parse(name, output.encode(), reading()).findings
        assert finding.path == "src/a.py", name
        (inside,) = formats.parse(name, output.encode(), reading(workdir="web")).findings
        relative = told.startswith(("src", "."))
        assert inside.path == ("web/src/a.py" if relative else "src/a.py"), name


@pytest.mark.parametrize(
    ("words", "severity"),
    [
        (("error", "ERROR", "blocker", "critical", "major", "fatal", "high", "medium", "failure"), Severity.WARNING),
        (("warning", "Warning", "warn"), Severity.WARNING),
        (("info", "minor", "note", "notice", "style", "hint", "low", "refactor", "convention"), Severity.INFO),
    ],
)
def test_severity_words_as_tools_print_them(words: tuple[str, ...], severity: Severity) -> None:
    for word in words:
        report = json.dumps([{"description": "m", "severity": word, "location": {"path": "a.py"}}])
        (finding,) = formats.parse("codequality", report.encode(), reading()).findings
        assert finding.severity is severity, word


def junit_of(known: frozenset[str], case: str) -> Parsed:
    data = f"<testsuites><testsuite name='s'>{case}</testsuite></testsuites>".encode()
    return junit.parse(data, Reading(root=Path("/repo"), known=known))


@pytest.mark.parametrize(
    ("known", "case", "place"),
    [
        (  # Surefire
            "core/src/test/java/com/acme/SumTest.java",
            '<testcase classname="com.acme.SumTest$Inner" name="adds"><failure message="no">'
            "java.lang.AssertionError: no\n\tat org.junit.Assert.fail(Assert.java:86)\n"
            "\tat com.acme.SumTest.adds(SumTest.java:42)\n"
            "\tat com.acme.SumTest.all(SumTest.java:12)\n</failure></testcase>",
            ("core/src/test/java/com/acme/SumTest.java", 42),
        ),
        (  # gotestsum
            "pkg/sum/sum_test.go",
            '<testcase classname="example.org/x/pkg/sum" name="TestSum"><failure message="Failed">'
            "    sum_test.go:12: got 3</failure></testcase>",
            ("pkg/sum/sum_test.go", 12),
        ),
        (  # PHPUnit
            "tests/SumTest.php",
            '<testcase name="testSum" class="SumTest" file="/repo/tests/SumTest.php" line="8"><failure>'
            "SumTest::testSum\nFailed asserting\n\n/repo/tests/SumTest.php:11\n</failure></testcase>",
            ("tests/SumTest.php", 11),
        ),
        (  # RSpec
            "spec/sum_spec.rb",
            '<testcase classname="spec.sum_spec" name="adds" file="./spec/sum_spec.rb"><failure message="no">no\n'
            "./spec/sum_spec.rb:4:in `block'</failure></testcase>",
            ("spec/sum_spec.rb", 4),
        ),
        (  # only the class says where
            "tests/unit/test_a.py",
            '<testcase classname="tests.unit.test_a.TestB" name="t"><failure message="no"/></testcase>',
            ("tests/unit/test_a.py", None),
        ),
        (  # .NET
            "test/SumTests.cs",
            '<testcase classname="Acme.SumTests" name="Adds"><failure message="no">   at Acme.SumTests.Adds() in '
            "/repo/test/SumTests.cs:line 9</failure></testcase>",
            ("test/SumTests.cs", 9),
        ),
    ],
)
def test_a_failed_test_is_placed_by_its_trace_or_its_class(
    known: str, case: str, place: tuple[str, int | None]
) -> None:
    (finding,) = junit_of(frozenset((known,)), case).findings
    assert (finding.path, finding.line, finding.category) == (*place, "tests")


def test_a_failed_test_without_a_place_does_not_vanish() -> None:
    parsed = junit_of(
        frozenset(("a/x/SumTest.java", "b/x/SumTest.java")),
        '<testcase name="t" classname="x.SumTest"><error/></testcase>',
    )
    assert parsed == Parsed(problems=("x.SumTest.t: failed",), gaps=("x.SumTest.t: failed",))


def test_ten_thousand_sarif_results_share_one_look_at_their_rules() -> None:
    rules = [{"id": f"R{n}", "helpUri": f"https://example.invalid/{n}"} for n in range(50)]
    places = [{"artifactLocation": {"uri": f"src/{n % 7}.py"}, "region": {"startLine": n + 1}} for n in range(10_000)]
    results = [
        {"ruleId": f"R{n % 50}/part", "message": {"text": f"m{n}"}, "locations": [{"physicalLocation": place}]}
        for n, place in enumerate(places)
    ]
    log = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x", "rules": rules}}, "results": results}]}
    findings = formats.parse("sarif", json.dumps(log).encode(), reading()).findings
    assert len(findings) == 10_000
    assert findings[-1].rule_url == "https://example.invalid/49"


def test_the_examples_of_the_documentation_are_read_as_it_says() -> None:
    page = (ROOT / "docs" / "formats.md").read_text()
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[2:]
    names = {section.split("\n", 1)[0]: section for section in sections}
    pattern = r"^(?P<file>[^:]+):(?P<line>\d+) (?P<message>.+)$"
    seen = set()
    for heading, section in names.items():
        examples = re.findall(r"^```(json|jsonl|xml|text)\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
        for kind, shown in examples:
            name = "rdjsonl" if kind == "jsonl" else heading.split(" ")[0]
            seen.add(name)
            parsed = formats.parse(name, shown.encode(), Reading(root=Path("/repo"), pattern=pattern))
            assert parsed.findings, name
            assert [f for f in parsed.findings if not is_sound(f) or f.line is None] == []
            assert parsed.problems == ()
    assert seen == set(formats.FORMATS)
    for name in formats.FORMATS:
        assert f"`{name}`" in page.partition("## What holds")[0]
