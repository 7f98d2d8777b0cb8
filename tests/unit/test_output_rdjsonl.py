"""The format `rdjsonl`: ranges and columns as the Reviewdog Diagnostic Format counts them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from support.results import CART, CASES, finding, result

from loom.core.finding import Suggestion
from loom.core.result import ResultHunk, ReviewResult
from loom.outputs.base import Look
from loom.outputs.rdjsonl import render


def diagnostics(of: ReviewResult) -> list[dict[str, Any]]:
    return [json.loads(line) for line in render(of, Look()).splitlines()]


def test_a_clean_review_is_an_empty_file() -> None:
    assert render(CASES["clean"], Look()) == ""


def test_a_finding_is_one_line_with_its_rule_and_the_page_that_explains_it() -> None:
    first = diagnostics(CASES["findings"])[0]
    assert first["code"] == {
        "value": "secrets/github-token",
        "url": "https://docs.github.com/en/code-security/secret-scanning",
    }
    assert first["severity"] == "ERROR"
    assert first["source"] == {"name": "loom"}
    assert first["location"] == {"path": "deploy/settings.py", "range": {"start": {"line": 3, "column": 10}}}


@pytest.mark.parametrize(
    ("text", "column", "bytes_"),
    [("abc", 1, 1), ("abc", 3, 3), ("a\U00010400b", 2, 2), ("a\U00010400b", 3, 6), ("größe", 5, 7), ("é", 2, 3)],
)
def test_columns_are_counted_in_bytes_of_utf_8(text: str, column: int, bytes_: int) -> None:
    hunk = ResultHunk(old_start=42, new_start=42, section="", lines=(("+", text),))
    (only,) = diagnostics(result(files=(replace(CART, hunks=(hunk,)),), findings=(finding(column=column),)))
    assert only["location"]["range"] == {"start": {"line": 42, "column": bytes_}}


@pytest.mark.parametrize(("files", "column"), [((replace(CART, hunks=()),), 3), ((CART,), 500)])
def test_a_column_that_cannot_be_counted_is_left_out(files: Any, column: int) -> None:
    (only,) = diagnostics(result(files=files, findings=(finding(column=column),)))
    assert only["location"]["range"] == {"start": {"line": 42}}


@pytest.mark.parametrize("text", ["x = 1", "x = 1\n\ny = 2", ""])
@pytest.mark.parametrize(("line", "end_line"), [(1, 1), (2, 3), (1, 4)])
def test_a_suggestion_applied_as_the_format_says_is_the_suggestion_applied(text: str, line: int, end_line: int) -> None:
    file = "one\ntwo\nthree\nfour\n"
    (only,) = diagnostics(result(findings=(finding(suggestion=Suggestion(line, end_line, text, committable=True)),)))
    lines = file.splitlines()
    lines[line - 1 : end_line] = text.split("\n") if text else []
    assert applied(file, only["suggestions"][0]) == "".join(f"{kept}\n" for kept in lines)


def applied(file: str, suggestion: dict[str, Any]) -> str:
    """Without columns a range is linewise and ends before its last line's end; with them the end is exclusive."""
    starts = [0]
    for row in file.splitlines(keepends=True):
        starts.append(starts[-1] + len(row))
    start, end = suggestion["range"]["start"], suggestion["range"]["end"]
    begin = starts[start["line"] - 1] + start.get("column", 1) - 1
    stop = starts[end["line"] - 1] + end["column"] - 1 if "column" in end else starts[end["line"]] - 1
    return file[:begin] + str(suggestion["text"]) + file[stop:]


def test_a_suggestion_that_is_not_proved_is_not_offered() -> None:
    (only,) = diagnostics(result(findings=(finding(suggestion=Suggestion(1, 1, "x", committable=False)),)))
    assert "suggestions" not in only


def test_what_was_not_reviewed_stands_at_the_first_file_that_was_not() -> None:
    last = diagnostics(CASES["incomplete"])[-1]
    assert last["code"] == {"value": "loom/incomplete"}
    assert last["location"] == {"path": "deploy/settings.py"}
    assert last["message"].startswith("Reviewed in part: security failed;")
