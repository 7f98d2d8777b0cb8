"""Output of tools, as they print it, read into findings. Most cases under tests/cases/formats are the real output of
the tool they are named after, run on tests/cases/formats/repo; the rest follows the tool's documentation.

Make the expectations anew after a wanted change: LOOM_GOLDEN=write .venv/bin/pytest tests/unit/test_formats.py
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.data import ROOT

from loom.analyzers import formats
from loom.analyzers.formats.base import Parsed, Reading
from loom.core.errors import ScriptError, UsageError
from loom.core.finding import RawFinding, Severity

CASES = ROOT / "tests" / "cases" / "formats"
WRITE = os.environ.get("LOOM_GOLDEN") == "write"  # read here: the tests themselves run without LOOM_ variables
OUTPUTS = sorted(p for p in CASES.iterdir() if p.suffix[1:] in formats.FORMATS and ".expected" not in p.name)
REPO = Path("/repo")


def head(path: str) -> bytes | None:
    file = CASES / "repo" / f"{path}.txt"
    return file.read_bytes() if file.is_file() else None


def reading(**settings: object) -> Reading:
    return Reading(root=REPO, head=head, **settings)  # type: ignore[arg-type]


def as_json(parsed: Parsed) -> str:
    def plain(finding: RawFinding) -> dict[str, object]:
        values = asdict(finding) | {"severity": finding.severity.value if finding.severity else None}
        return {key: value for key, value in values.items() if value not in (None, "new", "other")}

    value = {
        "findings": [plain(finding) for finding in parsed.findings],
        "unread": parsed.unread,
        "problems": parsed.problems,
        "suppressed": parsed.suppressed,
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("case", OUTPUTS, ids=lambda path: path.name)
def test_the_output_of_a_tool_becomes_these_findings(case: Path) -> None:
    text = as_json(formats.parse(case.suffix[1:], case.read_bytes(), reading()))
    expected = case.with_name(f"{case.name}.expected.json")
    if WRITE:
        expected.write_text(text)
    assert text == expected.read_text()


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ("src/a.py", "src/a.py"),
        ("./src/a.py", "src/a.py"),
        ("src/../src/a.py", "src/a.py"),
        ("/repo/src/a.py", "src/a.py"),
        ("file:///repo/src/a%20b.py", "src/a b.py"),
        ("src\\a.py", "src/a.py"),
        ("C:\\other\\a.py", "C:/other/a.py"),
        ("file:///C:/other/a.py", "C:/other/a.py"),
        ("/etc/passwd", "/etc/passwd"),
        ("/repository/a.py", "/repository/a.py"),
        ("../up.py", "../up.py"),
        ("", ""),
    ],
)
def test_paths_become_repository_relative_whatever_the_habit_of_the_tool(told: str, path: str) -> None:
    assert reading().path(told) == path


def test_relative_paths_start_where_the_tool_ran() -> None:
    inside = reading(workdir="web", known=frozenset({"src/a.ts"}))
    assert inside.path("app.ts") == "web/app.ts"
    assert inside.path("../lib/b.ts") == "lib/b.ts"
    assert inside.path("src/a.ts") == "src/a.ts"  # a path of the change is taken as it is


def test_a_path_of_the_change_with_a_backslash_keeps_it() -> None:
    assert reading(known=frozenset({"odd\\name.py"})).path("odd\\name.py") == "odd\\name.py"


def test_a_checkout_behind_a_link_is_recognised_by_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    linked = Reading(root=tmp_path / "link")
    assert linked.path(f"{tmp_path}/real/a.py") == "a.py"
    assert linked.path(f"{tmp_path}/link/a.py") == "a.py"


def test_errors_and_warnings_are_warnings_and_the_rest_is_info() -> None:
    levels = ["error", "Warning", "FATAL", "HIGH", "medium", "note", "LOW", "convention", "suggestion", "odd"]
    told = {level: reading().severity(level, None) for level in levels}
    assert [level for level, severity in told.items() if severity is Severity.WARNING] == levels[:5]
    assert [level for level, severity in told.items() if severity is Severity.INFO] == levels[5:]
    assert reading().severity(None, "E501") is None


def test_the_severity_map_speaks_of_rules_first_and_of_levels_in_any_case() -> None:
    mapped = reading(severity_map={"ERROR": Severity.BLOCKER, "note": Severity.WARNING, "S101": Severity.INFO})
    assert mapped.severity("error", "F401") is Severity.BLOCKER
    assert mapped.severity("error", "S101") is Severity.INFO
    assert mapped.severity("Note", None) is Severity.WARNING
    assert mapped.severity(None, "S101") is Severity.INFO


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("json", b"not json", "the output is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("json", b'[{"file": "a.py"', "the output is not JSON"),
        ("json", b'{"a": 1}\n{"b": \n', "line 2 of the output is not JSON"),
        ("json", b'{"hello": "world"}', "no findings can be recognised in the JSON output (keys: hello)"),
        ("json", b"[" * 100_000, "the"),
        ("json", b'"fine"', "no findings can be recognised"),
        ("sarif", b"", "the output is not SARIF"),
        ("sarif", b"{}", 'it has no "runs" array'),
        ("sarif", b'{"version": "1.0.0", "runs": []}', "the output is SARIF 1.0.0, which is not read"),
        ("sarif", b'{"runs": [1]}', "a run or its results are of another kind"),
        ("sarif", b'{"runs": [{"results": "none"}]}', "a run or its results are of another kind"),
        ("sarif", b'{"runs": [{"results": ["x", 1, null]}]}', "its results have no messages"),
        ("sarif", b'{"runs": [{"results": [{"message": {}}]}]}', "its results have no messages"),
        (
            "sarif",
            b'{"runs": [{"results": [], "invocations": [{"executionSuccessful": false, '
            b'"exitCodeDescription": "out of memory"}]}]}',
            "the tool says that its run failed: out of memory",
        ),
        (
            "sarif",
            b'{"runs": [{"invocations": [{"executionSuccessful": false, "toolExecutionNotifications": '
            b'[{"level": "error", "message": {"text": "no such rule"}}]}]}]}',
            "the tool says that its run failed: no such rule",
        ),
        ("json", b'{"issues": [{"desc": "bad", "where": "a.py"}]}', "no findings can be recognised"),
        ("json", b'{"results": [{"oddly": "named"}], "errors": []}', "no findings can be recognised"),
        ("json", b'{"files": {"a.py": {"issues": [{"desc": "bad"}]}}}', "no findings can be recognised"),
        ("json", b"# a comment\nno JSON\n{}", "the output is not JSON"),
        (
            "junit",
            b'<testsuite name="unit" tests="3" errors="1" failures="2"><testcase name="a"/></testsuite>',
            "unit counts 3 failed tests, and none of them is there",
        ),
        ("junit", b'<testsuites failures="2"/>', "the report counts 2 failed tests, and none of them is there"),
        ("regex", b"x", "has no pattern"),
    ],
)
def test_output_in_another_format_is_a_clear_error(name: str, data: bytes, says: str) -> None:
    with pytest.raises(ScriptError) as caught:
        formats.parse(name, data, reading())
    assert says in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"results": [], "errors": []}',
        b'[{"filePath": "a", "messages": []}]',
        b'{"files": ["a.py", "b.py"], "issues": []}',
        b'{"files": {"a.php": {"errors": 0, "messages": []}}, "errors": []}',
        b'{"results": {"passed_checks": [{"id": "A1"}], "failed_checks": []}, "summary": {"passed": 1}}',
        b'{"Issues": null, "Report": {"Linters": [{"Name": "govet"}]}}',
        b"# example.com/orders\n{}\n",
        b'[{"filePath": "/x.ts", "messages": [{"ruleId": null, "fatal": false, "message": "File ignored"}]}]',
    ],
)
def test_json_that_says_nothing_is_no_finding(data: bytes) -> None:
    assert formats.parse("json", data, reading()) == Parsed()


@pytest.mark.parametrize(
    ("name", "data", "gap"),
    [
        (
            "sarif",
            b'{"runs": [{"results": [{"ruleId": "A1", "message": {"text": "odd"}}]}]}',
            "a result without a place",
        ),
        (
            "sarif",
            b'{"runs": [{"invocations": [{"executionSuccessful": false}], "results": [{"message": {"text": "odd"}, '
            b'"locations": [{"physicalLocation": {"artifactLocation": {"uri": "a.py"}}}]}]}]}',
            "the tool says that its run failed: without a reason",
        ),
        ("sarif", b'{"runs": [{"results": [1, {"ruleId": "A1"}]}]}', "1 result(s) that cannot be read"),
        (
            "junit",
            b'<testsuites><testsuite name="one" failures="1"><testcase name="a"><failure>a.py:1: no</failure>'
            b'</testcase></testsuite><testsuite name="two" failures="1"/></testsuites>',
            "two counts 1 failed tests, and none of them is there",
        ),
    ],
)
def test_results_that_are_missing_are_a_gap(name: str, data: bytes, gap: str) -> None:
    parsed = formats.parse(name, data, reading())
    assert any(told.startswith(gap) for told in parsed.gaps)
    assert {*parsed.gaps} <= {*parsed.problems}


def test_what_go_vet_prints_on_either_stream_is_read() -> None:
    data = b"""# orders
{
\t"orders": {
\t\t"printf": [{"posn": "/repo/a.go:5:12", "message": "wrong type"}],
\t\t"tests": {"error": "it failed"}
\t}
}
{"fine": {}}

go: downloading nothing
vet: b/b.go:4:9: cannot use x
"""
    parsed = formats.parse("json", data, reading())
    assert [(f.path, f.line, f.column, f.rule) for f in parsed.findings] == [
        ("a.go", 5, 12, "printf"),
        ("b/b.go", 4, 9, None),
    ]
    assert parsed.problems == ("it failed",)


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(UsageError, match='Did you mean "sarif"'):
        formats.parse("sarff", b"", reading())


def test_a_pattern_of_the_teams_own_finds_by_named_groups() -> None:
    place = r"(?P<file>[^:]+):(?P<line>\d+)-(?P<end_line>\d+):(?P<column>\d+)"
    pattern = rf"^(?P<severity>[EW]) {place} (?P<rule>\w+) (?P<message>.*)$"
    data = b"checking\nE ./src/a.py:3-5:7 X1 broken \xe2\x9c\x97\nW src/b.py:9-2:0 X2 odd\n"
    settings = reading(pattern=pattern, severity_map={"E": Severity.BLOCKER, "W": Severity.INFO})
    first, second = formats.parse("regex", data, settings).findings
    assert (first.path, first.line, first.end_line, first.column) == ("src/a.py", 3, 5, 7)
    assert (first.severity, first.rule, first.message) == (Severity.BLOCKER, "X1", "broken ✗")
    assert (second.line, second.end_line, second.column) == (9, 9, None)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        (r"(?P<line>\d+)", "no group file and no group message"),
        (r"(?P<file>a(?P<message>b)", "not a regular expression"),
        (r"(?P<file>.)(?=x)(?P<message>.)", "look-ahead"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_its_reason(pattern: str, says: str) -> None:
    with pytest.raises(ScriptError, match=says):
        formats.parse("regex", b"", reading(pattern=pattern))


def test_a_path_that_is_not_utf8_is_the_one_git_knows() -> None:
    (finding,) = formats.parse("text", b"src/caf\xe9.py:1:2: odd \xe9\n", reading()).findings
    assert os.fsencode(finding.path) == b"src/caf\xe9.py"
    assert finding.message == "odd \\xe9"


def test_colours_and_endless_lines_do_not_hide_a_finding() -> None:
    data = b"\x1b[1msrc/a.py:3:1:\x1b[0m \x1b[31merror:\x1b[0m " + b"x" * 100_000 + b"\n"
    (finding,) = formats.parse("text", data, reading()).findings
    assert (finding.path, finding.line, finding.severity) == ("src/a.py", 3, Severity.WARNING)
    assert len(finding.message) < 5_000
    assert len(finding.title) <= 120


@given(st.binary(max_size=300))
def test_no_bytes_break_a_reader(data: bytes) -> None:
    for name in ("text", "json", "sarif"):
        with contextlib.suppress(ScriptError):
            formats.parse(name, data, reading())


KEYS = [
    "path", "file", "message", "line", "column", "severity", "code", "rule", "start", "end", "range", "location",
    "results", "issues", "fix", "edits", "messages", "labels", "spans", "span", "extra", "errors", "files", "text",
    "region", "physicalLocation", "artifactLocation", "uri",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)


@given(JSON)
def test_no_json_breaks_a_reader(value: object) -> None:
    data = json.dumps(value).encode()
    wrapped = json.dumps(
        {"version": "2.1.0", "runs": [{"results": [value], "tool": {"driver": value}}, value]}
    ).encode()
    for name, text in (("json", data), ("sarif", wrapped)):
        try:
            parsed = formats.parse(name, text, reading())
        except ScriptError:
            continue
        assert all(f.line is None or (f.line >= 1 and (f.end_line or f.line) >= f.line) for f in parsed.findings)
