"""Rules of different tools that report one fact, on what the tools themselves printed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loom.core.finding import RawFinding, Severity
from loom.engine import same_rules
from loom.engine.aggregate import Anchored, merge

CASES = sorted((Path(__file__).parents[1] / "cases" / "same_rules").glob("*.json"))


def said(tool: str, rule: str, message: str, *, deterministic: bool = True) -> Anchored:
    return Anchored(
        raw=RawFinding(path="a", message=message, line=1, rule=rule),
        pipeline=tool,
        severity=Severity.WARNING,
        deterministic=deterministic,
        base_path="a",
        anchor="exact",
        side="new",
        line=1,
        end_line=1,
        code="x",
        nth=0,
    )


def rules(findings: Any) -> list[list[str]]:
    return sorted(sorted({f.rule, *(other.rule for other in f.also)}) for f in findings)


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_what_real_tools_say_about_a_line_is_merged_by_fact_and_never_across_facts(path: Path) -> None:
    for case in json.loads(path.read_bytes()):
        merged = merge(said(*entry) for entry in case["said"])
        assert rules(merged) == case["facts"], case["code"]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("S324", "B324"),
        ("S324", "python.lang.security.insecure-hash-algorithms-md5.insecure-hash-algorithm-md5"),
        ("B324", "weak-password-hash"),
        ("PLW0102", "dangerous-default-value"),
        ("@typescript-eslint/no-unused-vars", "eslint(no-unused-vars)"),
        ("react-hooks(exhaustive-deps)", "react-hooks/exhaustive-deps"),
        ("secrets/github-token", "github-pat"),
        ("secrets/password-assignment", "generic-api-key"),
        ("secrets/openai-key", "generic-api-key"),
        ("S105", "secrets/password-assignment"),
        ("SC2086", "SC2086"),
    ],
)
def test_two_names_of_one_fact(a: str, b: str) -> None:
    assert same_rules.same(a, b)
    assert same_rules.same(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("B006", "B106"),
        ("S101", "B102"),
        ("E711", "E712"),
        ("secrets/aws-access-key-id", "secrets/aws-secret-key"),
        ("secrets/github-token", "slack-bot-token"),
        ("S1234", "B123"),
        ("no-eq-null", "eqeqeq"),
        ("SC2086", "SC2046"),
        ("generic-api-key", "weak-password-hash"),
    ],
)
def test_two_facts_that_only_look_alike(a: str, b: str) -> None:
    assert not same_rules.same(a, b)


def test_a_models_rule_is_no_name_of_a_tools_fact() -> None:
    merged = merge([said("bandit", "B324", "Weak hash"), said("review", "S324", "Pick sha256", deterministic=False)])
    assert len(merged) == 2


def test_no_rule_stands_twice_on_one_line_of_the_table() -> None:
    lines = [line.split() for line in same_rules._FACTS.strip().split("\n")]
    assert [names[0] for names in lines if max(Counter(names).values()) > 1] == []
