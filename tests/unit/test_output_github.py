"""The format `github`: which findings become annotations, what they say, and what nobody can make the runner do."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from support.results import CASES, FINE, finding, result

from loom.core.finding import Finding, Severity
from loom.core.result import Notice, ReviewResult
from loom.infra.text import to_command
from loom.outputs.base import Look
from loom.outputs.github_annotations import render

COMMAND = re.compile(r"::(?P<name>\w+)(?: (?P<properties>[^:]*))?::(?P<text>.*)")


def lines(of: ReviewResult) -> list[str]:
    return render(of, Look()).splitlines()


def many(count: int, severity: Severity) -> tuple[Finding, ...]:
    return tuple(finding(severity=severity, line=n, title=f"{severity.value} {n}") for n in range(1, count + 1))


def unescaped(text: str) -> str:
    """As the runner reads a property (actions/runner ActionCommand.cs)."""
    for written, meant in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(written, meant)
    return text


@given(st.text(), st.text())
def test_a_command_is_one_line_whose_parts_come_back_as_they_went_in(title: str, text: str) -> None:
    line = to_command("error", {"title": title, "line": 3}, text)
    assert "\n" not in line
    found = COMMAND.fullmatch(line)
    assert found
    properties = dict(part.split("=", 1) for part in found["properties"].split(","))
    assert properties["line"] == "3"
    assert set(properties) <= {"line", "title"}
    again = to_command("error", {"title": unescaped(properties.get("title", "")), "line": 3}, unescaped(found["text"]))
    assert again == line


def test_an_empty_property_is_left_out() -> None:
    assert to_command("warning", {"file": "", "line": 1}, "x") == "::warning line=1::x"
    assert to_command("endgroup", {}, "") == "::endgroup::"


def test_the_worst_get_the_ten_annotations_of_their_level_and_the_rest_is_counted_and_listed() -> None:
    findings = many(12, Severity.BLOCKER) + many(11, Severity.WARNING) + many(10, Severity.INFO)
    shown = lines(result(findings=findings))
    counts = {
        name: sum(1 for line in shown if line.startswith(f"::{name} ")) for name in ("error", "warning", "notice")
    }
    assert counts == {"error": 10, "warning": 10, "notice": 10}
    last = [line for line in shown if line.startswith("::notice")][-1]
    assert last.startswith("::notice title=Loom%3A 4 more findings::4 findings (2 blockers, 1 warning, 1 info) without")
    start, end = shown.index("::group::4 more findings"), shown.index("::endgroup::")
    assert shown[start + 1 : end] == [
        "src/cart.py:11: blocker: blocker 11 [review/bug]",
        "src/cart.py:12: blocker: blocker 12 [review/bug]",
        "src/cart.py:11: warning: warning 11 [review/bug]",
        "src/cart.py:10: info: info 10 [review/bug]",
    ]


def test_ten_of_each_level_need_no_summing_up() -> None:
    findings = many(10, Severity.BLOCKER) + many(10, Severity.WARNING) + many(10, Severity.INFO)
    shown = lines(result(findings=findings))
    assert sum(1 for line in shown if line.startswith("::")) == 30
    assert not any("group" in line for line in shown)


def test_what_lacks_comes_first_and_takes_one_of_the_warnings() -> None:
    incomplete = replace(FINE, complete=False, exit_code=3)
    shown = lines(result(findings=many(10, Severity.WARNING), outcome=incomplete))
    assert shown[0].startswith("::warning title=Loom::Reviewed in part")
    assert sum(1 for line in shown if line.startswith("::warning")) == 10
    assert "::group::1 more finding" in shown


def test_a_review_that_never_began_is_an_error_that_says_why() -> None:
    outcome = replace(FINE, ran=False, complete=False, exit_code=2)
    error = Notice("config", "models.default: no key", "set OPENAI_API_KEY")
    (first, last) = lines(result(outcome=outcome, files=(), pipelines=(), errors=(error,)))
    assert first == (
        "::error title=Loom::Nothing was reviewed: models.default: no key.%0A"
        "error: models.default: no key (set OPENAI_API_KEY)"
    )
    assert last == "Nothing was reviewed: models.default: no key."


def test_a_clean_review_annotates_nothing_and_says_so_in_the_log() -> None:
    assert lines(CASES["clean"]) == ["Reviewed 1 of 2 files (+3 -1): nothing found."]


def test_a_finding_without_a_file_is_an_annotation_of_the_run() -> None:
    (line, _) = lines(result(findings=(finding(path="", line=None, end_line=None, anchor="none"),)))
    assert line.startswith("::warning title=Unknown discount code raises KeyError::")


def test_a_column_is_told_only_within_one_line() -> None:
    one, several, _ = lines(result(findings=(finding(column=7), finding(column=7, end_line=44))))
    assert "line=42,col=7,title=" in one
    assert "line=42,endLine=44,title=" in several


def test_a_message_is_cut_where_the_runner_would_cut_it_and_keeps_its_tail() -> None:
    (line, _) = lines(result(findings=(finding(message="word " * 5_000, rule="x/y"),)))
    found = COMMAND.fullmatch(line)
    assert found
    text = unescaped(found["text"])
    assert len(text) <= 4_096
    assert text.endswith("…\n\n[x/y] found by review")
