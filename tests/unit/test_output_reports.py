"""The formats `gitlab-codequality` and `junit`: what the servers that read them make of a review."""

from __future__ import annotations

import json
from typing import Any

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from support.results import CASES, finding, result

from loom.core.finding import Severity
from loom.core.result import ReviewResult
from loom.outputs import output
from loom.outputs.base import Look


def issues(of: ReviewResult) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(output("gitlab-codequality")(of, Look()))
    return found


# -- gitlab-codequality -----------------------------------------------------------------------------------------------


def test_a_clean_review_is_an_empty_array() -> None:
    assert issues(CASES["clean"]) == []


@pytest.mark.parametrize(
    ("severity", "known", "shown"),
    [
        (Severity.BLOCKER, Severity.BLOCKER, "blocker"),
        (Severity.BLOCKER, Severity.WARNING, "critical"),
        (Severity.BLOCKER, None, "critical"),
        (Severity.WARNING, Severity.WARNING, "major"),
        (Severity.INFO, None, "info"),
    ],
)
def test_only_what_a_tool_knows_to_block_is_a_blocker(severity: Severity, known: Severity | None, shown: str) -> None:
    (only,) = issues(
        result(findings=(finding(severity=severity, deterministic=known is not None, deterministic_severity=known),))
    )
    assert only["severity"] == shown


def test_fingerprints_are_those_of_the_result_and_unique() -> None:
    twice = issues(result(findings=(finding(), finding(), finding(fingerprint="a1b2c3d4e5f60718-2"))))
    assert [issue["fingerprint"] for issue in twice] == [
        "a1b2c3d4e5f60718",
        "a1b2c3d4e5f60718-2",
        "a1b2c3d4e5f60718-2-2",
    ]


def test_what_has_no_line_in_the_new_file_stands_on_its_first_and_what_has_no_file_is_left_out() -> None:
    removed, whole = issues(
        result(findings=(finding(side="old", line=9), finding(line=None, end_line=None), finding(path="")))
    )
    assert removed["location"]["lines"] == whole["location"]["lines"] == {"begin": 1}
    assert removed["description"].endswith("(about removed line 9)")


def test_an_incomplete_review_is_an_issue_that_stays_one_across_pushes() -> None:
    first, again = (issues(CASES["incomplete"])[-1] for _ in range(2))
    assert first == again
    assert (first["check_name"], first["severity"]) == ("loom/incomplete", "major")


# -- junit ------------------------------------------------------------------------------------------------------------


def cases(of: ReviewResult) -> dict[str, dict[str, str]]:
    """Suite -> case -> how it ended, as junitparser reads it."""
    ends = {Failure: "failure", Error: "error", Skipped: "skipped"}
    return {
        suite.name: {
            case.name: ends[type(case.result[0])] if case.result else "passed"
            for case in suite
        }
        for suite in JUnitXml.fromstring(output("junit")(of, Look()).encode())
    }  # fmt: skip


def test_a_clean_review_passes_with_a_case_a_file_and_a_pipeline() -> None:
    assert cases(CASES["clean"]) == {
        "loom": {"the review is complete": "passed", "src/cart.py": "passed", "package-lock.json": "skipped"},
        "review": {"the pipeline saw everything it had to": "passed"},
        "builtin/secrets": {"the pipeline saw everything it had to": "passed"},
        "builtin/rules": {"the pipeline saw everything it had to": "passed"},
    }


def test_a_failed_pipeline_and_an_incomplete_review_are_errors() -> None:
    found = cases(CASES["incomplete"])
    assert found["loom"]["the review is complete"] == "error"
    assert {
        name: suite["the pipeline saw everything it had to"] for name, suite in found.items() if name != "loom"
    } == {
        "review": "error",
        "security": "error",
        "bandit": "skipped",
        "builtin/secrets": "passed",
    }


def test_a_finding_is_a_failure_of_the_pipeline_that_found_it_named_by_its_fingerprint() -> None:
    found = cases(CASES["findings"])
    assert found["builtin/secrets"] == {
        "the pipeline saw everything it had to": "passed",
        "deploy/settings.py: A GitHub token is in the code [0c4e2f7a91b8d635]": "failure",
    }
    assert list(found["logic"].values()) == ["passed"]


def test_a_skipped_review_is_skipped_and_does_not_pass() -> None:
    assert cases(CASES["skipped"])["loom"]["the review is complete"] == "skipped"


def test_characters_that_xml_cannot_write_are_shown() -> None:
    text = output("junit")(result(findings=(finding(title="a\x00b\ufffe\x1b[1m\udcff&<>\"'"),)), Look())
    (failure,) = (case.result[0] for suite in JUnitXml.fromstring(text.encode()) for case in suite if case.result)
    assert failure.message == "src/cart.py:42: a<U+0000>b<U+FFFE><U+001B>[1m\\xff&<>\"'"
