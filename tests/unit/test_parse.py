"""A model's answer becomes raw findings; what cannot be understood is never taken for "nothing found"."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.data import shared

from loom.core.finding import CATEGORIES, RawFinding, Severity
from loom.engine.parse import Answer, parse

CASES = Path(__file__).parents[1] / "cases" / "answers"
SEVERITIES = {"critical": "blocker", "high": "blocker", "medium": "warning", "low": "info", "info": "info"}


def as_json(answer: Answer) -> dict[str, Any]:
    """An answer as its case file says it: only what differs from the defaults."""
    said = {
        "recognised": answer.recognised,
        "truncated": answer.truncated,
        "findings": [finding_as_json(finding) for finding in answer.findings],
        "coverage": None if answer.coverage is None else list(answer.coverage),
        "summary": answer.summary,
        "unusable": answer.unusable,
    }
    return {name: value for name, value in said.items() if value or name in ("recognised", "truncated", "findings")}


def finding_as_json(finding: RawFinding) -> dict[str, Any]:
    values = {field.name: (getattr(finding, field.name), field.default) for field in dataclasses.fields(finding)}
    return {
        name: value.value if isinstance(value, Severity) else value
        for name, (value, default) in values.items()
        if value != default
    }


@pytest.mark.parametrize("case", sorted(CASES.glob("*.txt")), ids=lambda path: path.stem)
def test_an_answer_is_read_as_its_case_says(case: Path) -> None:
    assert as_json(parse(case.read_text(encoding="utf-8"))) == json.loads(case.with_suffix(".json").read_text("utf-8"))


def test_the_corpus_of_malformed_answers_is_recovered() -> None:
    lines = shared("data", "llm-output", "malformed.jsonl").read_text(encoding="utf-8").splitlines()
    wrong = [case["id"] for case in map(json.loads, lines) if not recovered(case)]
    assert (wrong, len(lines)) == ([], len(lines))


def recovered(case: dict[str, Any]) -> bool:
    found = [
        {
            "file": finding.path,
            "line": finding.line,
            "end_line": finding.end_line,
            "severity": finding.severity and finding.severity.value,
            "message": finding.message,
        }
        for finding in parse(case["raw"]).findings
    ]
    accepted = [case["expected"], *case.get("also_ok", [])]
    return any(
        found == [{**finding, "severity": SEVERITIES.get(finding["severity"])} for finding in one] for one in accepted
    )


def one(**fields: Any) -> RawFinding:
    """The finding in an answer that holds one with these fields."""
    (finding,) = parse(json.dumps({"findings": [{"path": "a.py", "message": "Wrong", **fields}]})).findings
    return finding


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"line": 12}, ("a.py", 12, None)),
        ({"line": "12"}, ("a.py", 12, None)),
        ({"line": 12.0}, ("a.py", 12, None)),
        ({"line": "L12"}, ("a.py", 12, None)),
        ({"line": "+12"}, ("a.py", 12, None)),
        ({"line": "12-15"}, ("a.py", 12, 15)),
        ({"line": "L12-L15"}, ("a.py", 12, 15)),
        ({"line": "lines 12 to 15"}, ("a.py", 12, 15)),
        ({"line": "12:5"}, ("a.py", 12, None)),
        ({"line": "line 12, column 5"}, ("a.py", 12, None)),
        ({"line": "a.py:12"}, ("a.py", 12, None)),
        ({"line": "src/v2/a.py:12-15"}, ("a.py", 12, 15)),
        ({"lines": [12, 15]}, ("a.py", 12, 15)),
        ({"lines": [12, 13, 14]}, ("a.py", 12, 14)),
        ({"lines": [12]}, ("a.py", 12, None)),
        ({"start_line": 12, "end_line": 15}, ("a.py", 12, 15)),
        ({"startLine": 15, "endLine": 12}, ("a.py", 12, 15)),
        ({"end_line": 15}, ("a.py", 15, None)),
        ({"line": {"start": 12, "end": 15}}, ("a.py", 12, 15)),
        ({"path": "a.py:12"}, ("a.py", 12, None)),
        ({"path": "a.py:12:5"}, ("a.py", 12, None)),
        ({"path": "a.py#L12-L15"}, ("a.py", 12, 15)),
        ({"path": "a.py:12", "line": 14}, ("a.py", 14, None)),
        ({"path": None, "location": {"file": "a.py", "line": 12}}, ("a.py", 12, None)),
        ({"path": "odd #1 name"}, ("odd #1 name", None, None)),
        ({"path": "a.py#1", "line": 3}, ("a.py#1", 3, None)),
        ({"line": 0}, ("a.py", None, None)),
        ({"line": -3}, ("a.py", None, None)),
        ({"line": True}, ("a.py", None, None)),
        ({"line": 1e300}, ("a.py", None, None)),
        ({"line": 12.5}, ("a.py", None, None)),
        ({"line": "unknown"}, ("a.py", None, None)),
        ({"line": None}, ("a.py", None, None)),
    ],
)
def test_lines_are_read_in_every_form(fields: dict[str, Any], expected: tuple[str, int | None, int | None]) -> None:
    finding = one(**fields)
    assert (finding.path, finding.line, finding.end_line) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((word, "blocker") for word in ("blocker", "CRITICAL", "High", "error", "🔴 High", "P0", "high severity")),
        *((word, "warning") for word in ("warning", "medium", "Major", "moderate", "⚠️")),
        *((word, "info") for word in ("low", "minor", "nit", "info", "note", "banana", 7, "Severity: none")),
        (None, None),
        ("", None),
    ],
)
def test_severities_become_ours_and_unknown_ones_are_info(value: object, expected: str | None) -> None:
    severity = one(severity=value).severity
    assert (severity and severity.value) == expected


def test_a_type_counts_as_severity_only_when_it_is_one() -> None:
    assert one(type="error").severity is Severity.BLOCKER
    assert one(type="Possible Bug").severity is None
    assert one(type="Possible Bug").category == "bug"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((category, category) for category in CATEGORIES),
        ("Error Handling", "error-handling"), ("SQL injection", "security"), ("vulnerability", "security"),
        ("best-practice", "maintainability"), (["nice", "perf"], "performance"), ("banana", "other"), (None, "other"),
    ],
)  # fmt: skip
def test_categories_become_ours(value: object, expected: str) -> None:
    assert one(category=value).category == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.9, 0.9), (90, 0.9), (1, 1.0), (0, 0.0), ("85%", 0.85), ("0.4", 0.4), ("8/10", 0.8), ("high", 0.9),
        ("Very low", 0.1), ("banana", None), (None, None), (True, None), (-1, None), (250, None), ([], None),
    ],
)  # fmt: skip
def test_confidence_is_a_fraction(value: object, expected: float | None) -> None:
    assert one(confidence=value).confidence == expected


def test_an_empty_suggestion_deletes_and_a_missing_one_does_not() -> None:
    assert one(suggestion="").suggestion == ""
    assert one(suggestion=None).suggestion is None
    assert one().suggestion is None


def test_prose_under_a_foreign_name_is_advice_and_not_code() -> None:
    assert one(fix="Close the file.").message == "Wrong\n\nClose the file."
    assert one(fix="Close the file.").suggestion is None
    assert one(fix="f.close()").suggestion == "f.close()"


def test_a_rule_code_is_not_a_quote() -> None:
    assert (one(code="E501").quote, one(code="E501").rule) == (None, "E501")
    assert one(code="x = 1").quote == "x = 1"


def test_the_same_finding_twice_is_one() -> None:
    text = json.dumps([{"path": "a.py", "line": 1, "message": m} for m in ("Wrong", "wrong ", "Other")])
    assert [finding.message for finding in parse(text).findings] == ["Wrong", "Other"]


def test_a_finding_without_a_path_belongs_to_the_only_file() -> None:
    text = '{"findings": [{"line": 3, "message": "Wrong"}]}'
    assert parse(text).unusable == 1
    assert not parse(text).recognised
    assert [finding.path for finding in parse(text, only_path="a.py").findings] == ["a.py"]


def test_lone_surrogates_do_not_survive() -> None:
    finding = parse(r'{"findings": [{"path": "a\ud800", "line": 1, "message": "\udc00\ud83d\ude00"}]}').findings[0]
    assert (finding.path, finding.message) == ("a\ufffd", "\ufffd😀")


@pytest.mark.parametrize("text", ["", " ", "null", "3", '"x"', "{}", "[1]", "[]x", "I checked files [] and {}."])
def test_what_says_nothing_is_not_recognised(text: str) -> None:
    assert not parse(text).recognised


@pytest.mark.parametrize(
    "text",
    [
        "[]", '{"findings": []}', '{"issues": null}', "```json\n[]\n```", "```json []```", '<answer>{"findings": []}',
        '{"critical": [], "minor": []}', '{"review": {"findings": []}}', "Nothing.\n\n{'comments': []}\n",
        'Done: {"findings": [], "coverage": ["a.py#1"], "summary": ""}',
        '{"a": "{\\"findings\\": []}", "findings": []}',
    ],
)  # fmt: skip
def test_an_empty_list_of_findings_is_an_answer(text: str) -> None:
    answer = parse(text)
    assert (answer.recognised, answer.truncated, answer.findings) == (True, False, ())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a#1", "b#2"], ("a#1", "b#2")), ("a#1, b#2\nc#3", ("a#1", "b#2", "c#3")), ([{"id": "a#1"}], ("a#1",)),
        ({"a#1": True, "b#1": False}, ("a#1",)), ([], ()), (None, None), (1, None),
    ],
)  # fmt: skip
def test_coverage_is_read_and_a_missing_one_is_not_empty(value: object, expected: tuple[str, ...] | None) -> None:
    assert parse(json.dumps({"findings": [], "coverage": value})).coverage == expected


def test_a_babble_of_findings_ends() -> None:
    text = '{"findings": [' + '{"path": "a", "message": "b"},' * 20_000
    answer = parse(text)
    assert (len(answer.findings), answer.truncated) == (1, True)


@pytest.mark.parametrize("piece", ["<think>", "<think>a</think>\n", "</think>", '{"findings": ', '{"text": "{', "[]"])
def test_bombs_end(piece: str) -> None:
    assert parse(piece * (200_000 // len(piece))).findings == ()


@given(st.text())
def test_nothing_raises(text: str) -> None:
    parse(text)
    parse('{"findings": [{"path": ' + text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner, max_size=2),
    max_leaves=4,
)


names = st.sampled_from(
    [
        "path", "line", "lines", "end", "severity", "type", "message", "title", "code", "suggestion", "fix",
        "confidence", "side", "rule", "location", "range", "category", "issues",
    ]
)  # fmt: skip


@given(st.dictionaries(names, json_values))
def test_no_field_of_any_kind_raises(fields: dict[str, Any]) -> None:
    answer = parse(json.dumps({"findings": [{"path": "a", "message": "b", **fields}], "coverage": fields}))
    for finding in answer.findings:
        json.dumps(dataclasses.asdict(dataclasses.replace(finding, severity=None))).encode()
        assert finding.confidence is None or 0 <= finding.confidence <= 1
        assert finding.line is None or 0 < finding.line <= (finding.end_line or finding.line)


words = st.lists(st.sampled_from(["the", "value", "isn't", "x[0]", "a, b", "{y}", 'f("z")', "end."]), min_size=1)
findings = st.fixed_dictionaries(
    {
        "path": st.sampled_from(["a.py", "src/b.ts"]),
        "line": st.integers(1, 999),
        "severity": st.sampled_from(["blocker", "warning", "info"]),
        "message": words.map(" ".join),
        "quote": words.map(" ".join),
        "suggestion": st.none() | words.map("\n".join),
    }
)  # fmt: skip
answers = st.lists(findings, max_size=4, unique_by=lambda finding: (finding["path"], finding["line"]))


@given(answers, st.sampled_from([None, 2]))
def test_what_was_said_is_what_is_read(said: list[dict[str, Any]], indent: int | None) -> None:
    text = json.dumps({"findings": said, "coverage": []}, indent=indent)
    assert [as_said(finding) for finding in parse(text).findings] == said
    assert [as_said(finding) for finding in parse(repr({"findings": said})).findings] == said


@given(answers, st.sampled_from([None, 2]), st.data())
def test_a_half_written_finding_is_dropped_and_the_cut_is_told(
    said: list[dict[str, Any]], indent: int | None, data: st.DataObject
) -> None:
    text = json.dumps({"findings": said}, indent=indent)
    answer = parse(text[: data.draw(st.integers(1, len(text) - 1))])
    assert answer.truncated
    assert [as_said(finding) for finding in answer.findings] == said[: len(answer.findings)]


def as_said(finding: RawFinding) -> dict[str, Any]:
    assert finding.severity is not None
    return {
        "path": finding.path,
        "line": finding.line,
        "severity": finding.severity.value,
        "message": finding.message,
        "quote": finding.quote,
        "suggestion": finding.suggestion,
    }
