"""SARIF: valid by the OASIS schema, right by the standard, inert whatever the texts say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.any_result import RESULTS
from support.data import ROOT, shared
from support.results import CASES, FINE, finding, result

from loom import outputs
from loom.core.finding import SourceRule, Suggestion
from loom.core.result import Notice, ReviewResult
from loom.outputs import sarif
from loom.outputs.addresses import relative_uri
from loom.outputs.base import Look

SCHEMA = ("data", "specs", "output-schemas", "sarif-2.1.0.schema.json")


def run(of: ReviewResult) -> dict[str, Any]:
    """The only run of the SARIF log."""
    log = json.loads(sarif.render(of, Look()))
    (only,) = log["runs"]
    found: dict[str, Any] = only
    return found


def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(shared(*SCHEMA).read_bytes()))


def test_the_golden_files_fit_the_schema_of_the_standard() -> None:
    check = validator()
    files = sorted((ROOT / "tests/golden/sarif").glob("*.sarif"))
    assert len(files) == len(CASES)
    for file in files:
        check.validate(json.loads(file.read_bytes()))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(RESULTS)
def test_any_result_fits_the_schema_of_the_standard(any_result: ReviewResult) -> None:
    validator().validate(json.loads(sarif.render(any_result, Look())))


def test_every_finding_is_a_result_of_a_described_rule() -> None:
    only = run(CASES["findings"])
    rules = only["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert [found["partialFingerprints"]["loom/v1"] for found in only["results"]] == [
        f.fingerprint for f in CASES["findings"].findings
    ]
    for found in only["results"]:
        assert rules[found["ruleIndex"]]["id"] == found["ruleId"]


@pytest.mark.parametrize("text", ["x = 1", "x = 1\n\ny = 2", ""])
@pytest.mark.parametrize(("line", "end_line"), [(1, 1), (2, 3), (1, 4)])
def test_a_fix_applied_by_the_standard_is_the_suggestion_applied(text: str, line: int, end_line: int) -> None:
    file = "one\ntwo\nthree\nfour\n"
    (found,) = run(result(findings=(finding(suggestion=Suggestion(line, end_line, text, committable=True)),)))[
        "results"
    ]
    (replacement,) = found["fixes"][0]["artifactChanges"][0]["replacements"]
    lines = file.splitlines()
    lines[line - 1 : end_line] = text.split("\n") if text else []
    assert applied(file, replacement) == "".join(f"{kept}\n" for kept in lines)


def applied(file: str, replacement: dict[str, Any]) -> str:
    """A replacement made as SARIF 3.30 defines regions: without columns from the first character of the first line to
    the last one of the last line, its line feed not included."""
    region = replacement["deletedRegion"]
    starts = [0, *(found.end() for found in re.finditer("\n", file))]
    begin = starts[region["startLine"] - 1] + region.get("startColumn", 1) - 1
    last = starts[region["endLine"] - 1]
    end = last + region["endColumn"] - 1 if "endColumn" in region else file.index("\n", last)
    return file[:begin] + replacement.get("insertedContent", {}).get("text", "") + file[end:]


def test_a_suggestion_that_is_not_proved_is_no_fix() -> None:
    (found,) = run(result(findings=(finding(suggestion=Suggestion(1, 1, "x", committable=False)),)))["results"]
    assert "fixes" not in found


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("src/a b.py", "src/a%20b.py"),
        ("file:///etc/passwd", "file%3A/etc/passwd"),
        ("src/../a.py", "a.py"),
        ("./a.py", "a.py"),
        ("../x.py", ""),
        ("src/../../x.py", ""),
        ("../../etc/passwd", ""),
        ("/etc/./passwd", ""),
        ("c:/x", ""),
        ("c:x", "c%3Ax"),
        ("100%/[x]?#.py", "100%25/%5Bx%5D%3F%23.py"),
        ("größe.py", "gr%C3%B6%C3%9Fe.py"),
        ("caf\udce9.py", "caf%E9.py"),
        ("..", ""),
    ],
)
def test_a_path_is_a_relative_uri_below_the_root(path: str, uri: str) -> None:
    assert relative_uri(path) == uri


@given(st.text())
def test_no_path_leaves_the_root_or_names_a_scheme(path: str) -> None:
    uri = relative_uri(path)
    assert ":" not in uri
    assert not uri.startswith("/")
    assert not {".", "..", ""} & set(unquote(uri).split("/")) or not uri


@pytest.mark.parametrize("path", ["../x.py", "/etc/passwd", "src/../../x.py", "C:/x.py"])
def test_what_stands_outside_of_the_repository_points_at_no_file_in_it(path: str) -> None:
    of = result(findings=(finding(path=path, anchor="none"),))
    assert "locations" not in run(of)["results"][0]
    assert outputs.output("rdjsonl")(of, Look()) == ""
    assert json.loads(outputs.output("gitlab-codequality")(of, Look())) == []
    assert not re.search(r'file="[^"]*(x\.py|passwd)"', outputs.output("junit")(of, Look()))
    assert "file=" not in outputs.output("github")(of, Look())
    assert json.dumps(path) in outputs.output("agent")(of, Look())


def test_no_hostile_vector_gets_through() -> None:
    vectors = [
        v for v in json.loads(shared("data", "hostile", "hostile-output.json").read_bytes()) if v["channel"] == "sarif"
    ]
    assert vectors
    for vector in vectors:
        said = vector["input"]
        only = run(result(findings=(finding(path=said, title=said, message=said),)))
        text = only["results"][0]["message"]["text"]
        places = only["results"][0].get("locations", ())  # none for a path that leads out of the repository
        uri = "".join(place["physicalLocation"]["artifactLocation"]["uri"] for place in places)
        for pattern in vector["must_not_match"]:
            assert not re.search(pattern, text if "msg" in vector["id"] else uri), vector["id"]


def test_brackets_and_backslashes_of_a_message_are_escaped() -> None:
    (found,) = run(result(findings=(finding(title="", message=r"[x](https://evil.invalid) a\b"),)))["results"]
    assert found["message"]["text"] == r"\[x\](https://evil.invalid) a\\b"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://docs.invalid/a b", "https://docs.invalid/a%20b"),
        ("javascript:alert(1)", None),
        ("file:///etc/passwd", None),
        ("https://[", None),
        ("//x.invalid", None),
    ],
)
def test_only_a_web_address_becomes_a_link(url: str, shown: str | None) -> None:
    (rule,) = run(result(findings=(finding(rule_url=url),)))["tool"]["driver"]["rules"]
    assert rule.get("helpUri") == shown


def test_a_finding_without_a_place_in_the_new_file_stands_on_its_first_line_and_says_so() -> None:
    removed, whole = run(
        result(findings=(finding(side="old", line=9), finding(line=None, end_line=None, anchor="file")))
    )["results"]
    for found in (removed, whole):
        assert found["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}
    assert "(about removed line 9)" in removed["message"]["text"]
    assert (removed["properties"]["side"], whole["properties"]["anchor"]) == ("old", "file")


def test_an_incomplete_review_was_not_successful_and_says_why() -> None:
    (invocation,) = run(CASES["incomplete"])["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 3
    errors = [note["message"]["text"] for note in invocation["toolExecutionNotifications"] if note["level"] == "error"]
    assert errors[0].startswith("Reviewed in part: security failed")
    assert any("answered 529" in text for text in errors)


def test_a_complete_review_was_successful() -> None:
    (invocation,) = run(CASES["clean"])["invocations"]
    assert invocation["executionSuccessful"] is True


def test_at_most_five_thousand_results_are_listed_and_the_rest_is_counted() -> None:
    many = tuple(finding(fingerprint=f"{n:016x}") for n in range(5_003))
    only = run(result(findings=many))
    assert len(only["results"]) == 5_000
    assert only["properties"]["omittedResults"] == 3
    notes = [note["message"]["text"] for note in only["invocations"][0]["toolExecutionNotifications"]]
    assert "3 more findings, the least severe, are in the result file." in notes


def test_notifications_are_limited_too() -> None:
    noisy = result(warnings=tuple(Notice("n", str(n)) for n in range(800)), outcome=replace(FINE, complete=False))
    notes = run(noisy)["invocations"][0]["toolExecutionNotifications"]
    assert len(notes) == 501
    assert notes[-1]["message"]["text"].endswith("more notifications are in the result file.")


def test_a_ci_log_that_shows_the_file_finds_no_command_in_it() -> None:
    text = sarif.render(CASES["hostile"], Look())
    assert not re.search(r"##[A-Za-z]*\[|(?m:^\s*::)", text)
    assert all(char == "\n" or char.isprintable() for char in text)


def test_what_other_tools_call_the_same_fact_is_in_the_message_the_properties_and_the_rules() -> None:
    only = run(CASES["findings"])
    found, rules = only["results"][0], only["tool"]["driver"]["rules"]
    assert found["message"]["text"].endswith(
        "\n\nAlso github-pat of linter/gitleaks (https://gitleaks.io/rules#github-pat)"
        "\n\nAlso generic.secrets.detected-github-token of linter/semgrep"
    )
    assert found["properties"]["also"] == [
        {"source": "linter/gitleaks", "ruleId": "github-pat", "helpUri": "https://gitleaks.io/rules#github-pat"},
        {"source": "linter/semgrep", "ruleId": "generic.secrets.detected-github-token"},
    ]
    (other,) = (rule for rule in rules if rule["id"] == "github-pat")
    assert other["helpUri"] == "https://gitleaks.io/rules#github-pat"
    assert len({rule["id"] for rule in rules}) == len(rules)


def test_the_rule_of_another_tool_never_takes_the_place_of_a_findings_own() -> None:
    first = finding(rule=None, also=(SourceRule("linter/x", "B1", "https://x.invalid/b1"),))
    second = finding(rule="B1", rule_url="https://y.invalid/b1", fingerprint="b" * 16)
    only = run(result(findings=(first, second)))
    rules = only["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["review/bug", "B1"]
    assert rules[only["results"][1]["ruleIndex"]]["helpUri"] == "https://y.invalid/b1"
