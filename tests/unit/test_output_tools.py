"""Laws of the outputs that other tools read: valid whatever the result, inert whatever the texts."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from junitparser import JUnitXml
from support.any_result import RESULTS
from support.data import ROOT, shared
from support.results import CART, CASES, FINE, LOCK, MODEL, finding, result

from loom import outputs
from loom.analyzers import formats
from loom.core.finding import SourceRule, Suggestion
from loom.core.result import Notice, ResultHunk, ReviewResult
from loom.outputs.base import Look

NAMES = ["github", "gitlab-codequality", "junit", "rdjsonl", "agent"]
ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ROUGH = [HealthCheck.too_slow, HealthCheck.data_too_large]


def shown(name: str, of: ReviewResult) -> str:
    return outputs.output(name)(of, Look())


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared("data", "specs", "output-schemas", name).read_bytes())
    return found


def well_formed(name: str, text: str) -> None:
    """That the tools which read this format can."""
    match name:
        case "gitlab-codequality":
            found = json.loads(text)
            for issue in found:
                jsonschema.validate(issue, schema("gitlab-codequality-item.schema.json"))
                assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
                assert issue["check_name"]
                assert issue["location"]["path"]
                assert issue["location"]["lines"]["begin"] >= 1
            assert len({issue["fingerprint"] for issue in found}) == len(found)
        case "rdjsonl":
            found = [json.loads(line) for line in text.splitlines()]
            jsonschema.Draft4Validator(schema("rdjson.schema.json")).validate({"diagnostics": found})
            for diagnostic in found:
                assert set(diagnostic) <= {"message", "location", "severity", "source", "code", "suggestions"}
        case "junit":
            root = ET.fromstring(text)
            for suite in (root, *root.iter("testsuite")):
                cases = list(suite.iter("testcase"))
                assert int(suite.attrib["tests"]) == len(cases)
                for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
                    assert int(suite.attrib[kind]) == len(list(suite.iter(tag)))
            names = [(c.attrib["classname"], c.attrib["name"]) for c in root.iter("testcase")]
            assert all(name for _, name in names)
            assert sum(suite.tests for suite in JUnitXml.fromstring(text.encode())) == len(names)
        case "github":
            for line in text.splitlines():
                if line.startswith("::"):
                    assert re.match(
                        r"::(error|warning|notice)( \w+=[^,:]*(,\w+=[^,:]*)*)?::|::group::|::endgroup::", line
                    )
        case "agent":
            first, *rest = text.splitlines()
            assert re.match(r"loom (clean|findings|blocked|incomplete|nothing) complete=(yes|no) ", first)
            for line in rest:
                assert LINE.match(line), line


LINE = re.compile(
    r"ran [^ ]|why #[^ ]|quoted: |commands: |@ |\| |see https?://|also [^ ]|(fix|try) \d+(-\d+)?( delete)?"
    r"( too-long=\d+)?( escaped)?$|[-+]|(left-out|unreviewed) |(error|note)( [^ ]| \+\d|( —))|fixed \d+$"
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_every_case_is_well_formed(name: str, case: str) -> None:
    well_formed(name, shown(name, CASES[case]))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None, suppress_health_check=ROUGH)
@given(of=RESULTS)
def test_any_result_is_well_formed_and_shows_what_is_not_seen(name: str, of: ReviewResult) -> None:
    text = shown(name, of)
    well_formed(name, text)
    assert not ODD.search(text)
    assert text == shown(name, of)
    assert text.endswith("\n") or (name == "rdjsonl" and not text)
    obeyed(name, text)


def obeyed(name: str, text: str) -> None:
    """That a CI runner which prints this obeys nothing that is not ours."""
    assert not re.search(r"##[A-Za-z]{0,20}\[", text)
    for line in text.splitlines():
        if line.lstrip().startswith("::") and re.match(r"\s*::[A-Za-z][^\n]*::", line):
            assert name == "github"
            assert re.match(r"::(error|warning|notice|group|endgroup)[ :]", line), line


def everywhere(said: str) -> ReviewResult:
    """A result that says `said` wherever somebody else's text can stand."""
    hunk = ResultHunk(old_start=42, new_start=42, section=said, lines=(("+", said), (" ", said)))
    one = finding(
        title=said, message=said, path=f"a/{said}", rule=said, rule_url=said, quote=said, pipeline=said,
        sources=(said,),        also=(SourceRule(said, said, said), SourceRule("x", said, f"https://x.invalid/{said}")),
        suggestion=Suggestion(42, 42, said, committable=True), fingerprint=said or "f",
    )  # fmt: skip
    pipeline = replace(
        MODEL, name=said, model=said, summary=said, status="partial", reason=said, hint=said, not_reviewed=(said,)
    )
    return result(
        files=(replace(CART, path=f"a/{said}", old_path=said, hunks=(hunk,)), replace(LOCK, path=said, reason=said)),
        findings=(one, replace(one, title="", line=None), *(replace(one, side="old") for _ in range(11))),
        pipelines=(pipeline,),
        change=replace(CASES["skipped"].change, title=said),
        warnings=(Notice(said, said, said, said),),
        errors=(Notice(said, said, said, said),),
        outcome=replace(FINE, complete=False),
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_hostile_vector_acts_on_a_log_or_a_terminal(name: str) -> None:
    vectors = json.loads(shared("data", "hostile", "hostile-output.json").read_bytes())
    assert len(vectors) > 20
    for vector in vectors:
        text = shown(name, everywhere(vector["input"]))
        well_formed(name, text)
        obeyed(name, text)
        assert not ODD.search(text), vector["id"]
        if vector["channel"] in ("log", "terminal") and name != "github":
            for pattern in vector["must_not_match"]:
                assert not re.search(pattern, text), vector["id"]


@pytest.mark.parametrize("name", NAMES)
def test_naughty_strings_and_injected_prompts_stay_in_their_place(name: str) -> None:
    naughty = json.loads(shared("data", "hostile", "blns", "blns.json").read_bytes())
    prompts = [str(p) for p in json.loads(shared("data", "hostile", "prompt-injection.json").read_bytes())]
    for said in (*naughty[::4], *prompts[:20], "\n".join(naughty)):
        text = shown(name, everywhere(said))
        well_formed(name, text)
        obeyed(name, text)
        assert not ODD.search(text)


@pytest.mark.parametrize("name", NAMES)
def test_what_other_tools_call_a_fact_and_where_they_explain_it_survives(name: str) -> None:
    text = shown(name, CASES["findings"]).replace("%3A", ":")
    for part in ("github-pat", "https://gitleaks.io/rules#github-pat", "generic.secrets.detected-github-token"):
        assert part in text
    assert "https://docs.github.com/en/code-security/secret-scanning" in text


@pytest.mark.parametrize("name", NAMES)
def test_an_incomplete_review_never_looks_like_a_clean_one(name: str) -> None:
    clean = shown(name, result())
    for lacking in (
        replace(FINE, complete=False, exit_code=3),
        replace(FINE, ran=False, complete=False, exit_code=2),
    ):
        text = shown(name, result(outcome=lacking, errors=(Notice("model-server", "it answered 529"),)))
        assert text != clean
        assert re.search("(?i)loom/incomplete|<error|::(error|warning) title=Loom|^loom (incomplete|nothing)", text)


READERS = {
    "sarif": "sarif",
    "github": "github",
    "gitlab-codequality": "codequality",
    "junit": "junit",
    "rdjsonl": "rdjsonl",
}
"""Format -> how our own readers of tools' output call it."""


@pytest.mark.parametrize("name", READERS)
def test_our_own_reader_of_the_format_finds_every_finding_at_its_place(name: str, tmp_path: Path) -> None:
    said = shown(name, CASES["findings"]).encode()
    read = formats.parse(READERS[name], said, formats.Reading(root=tmp_path))
    findings = CASES["findings"].findings
    lines = {(f.path, f.line) for f in findings if f.line and f.side == "new"}
    assert {(f.path, f.line) for f in read.findings if f.line not in (None, 1)} == lines
    assert sorted(f.path for f in read.findings) == sorted(f.path for f in findings)


@pytest.mark.parametrize("name", READERS)
def test_our_own_reader_of_the_format_hears_that_a_review_is_incomplete(name: str, tmp_path: Path) -> None:
    read = formats.parse(READERS[name], shown(name, CASES["incomplete"]).encode(), formats.Reading(root=tmp_path))
    assert any("Reviewed in part" in text for text in (*read.problems, *(f.message for f in read.findings)))
    clean = formats.parse(READERS[name], shown(name, CASES["clean"]).encode(), formats.Reading(root=tmp_path))
    assert (clean.findings, clean.problems) == ((), ())


def test_every_new_format_is_in_the_manual() -> None:
    manual = (ROOT / "docs" / "outputs.md").read_text("utf-8")
    for name in outputs.FORMATS:
        assert f"| `{name}` |" in manual, name
