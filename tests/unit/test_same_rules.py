"""Rules of different tools that report one fact, on what the tools themselves printed."""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loom.analyzers import leftovers as leftovers_module
from loom.analyzers import workflows as workflows_module
from loom.analyzers.rule_pack import entries
from loom.core.finding import RawFinding, Severity
from loom.engine import same_rules
from loom.engine.aggregate import merge
from loom.engine.same_fact import Anchored
from loom.infra.secret_context import CONTEXTS
from loom.infra.secret_rules import FORMATS
from loom.infra.secrets import PRIVATE_KEY

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


TABLE = [line.split() for table in (same_rules._OURS, same_rules._THEIRS) for line in table.strip().split("\n")]


def our_rules() -> set[str]:
    """The ids of the built-in analyzers' rules that the table may name."""
    workflows = {f"hygiene/{rule}" for rule in re.findall(r'"(workflow-[a-z]+)"', inspect.getsource(workflows_module))}
    leftovers = set(re.findall(r'"(hygiene/[a-z-]+)"', inspect.getsource(leftovers_module)))
    leaks = {f"secrets/{rule.id}" for rule in (*FORMATS, *CONTEXTS)} | {f"secrets/{PRIVATE_KEY}"}
    return {entry.id for entry in entries()} | leaks | workflows | leftovers


def test_no_rule_stands_twice_on_one_line_of_the_table() -> None:
    assert [names[0] for names in TABLE if max(Counter(names).values()) > 1] == []


def test_a_fact_of_ours_goes_by_the_name_of_a_rule_that_exists() -> None:
    ours = our_rules()
    first = [line.split()[0] for line in same_rules._OURS.strip().split("\n")]
    assert [name for name in first if name not in ours] == []
    assert [name for names in TABLE for name in names[1:] if name in ours] == []
    theirs = [line.split() for line in same_rules._THEIRS.strip().split("\n")]
    assert [names[0] for names in theirs if ours.intersection(names)] == []


@pytest.mark.parametrize("names", TABLE, ids=lambda names: names[0])
def test_all_names_of_a_fact_have_one_identity(names: list[str]) -> None:
    plain = [name for name in names if not name.startswith("=")]
    own = names[0] in our_rules()
    identities = {same_rules.identity(name) for name in plain}
    # A rule of another tool that stands for two of our facts goes by the lesser name.
    assert len(identities) == 1 or (own and same_rules.identity(names[0]) == names[0])
    assert all(same_rules.identity(name) in {names[0] for names in TABLE} for name in plain)


@pytest.mark.parametrize("rule", ["SC2086", "F999", "com.example/rule", "clippy::absurd_extreme_comparisons"])
def test_a_rule_outside_the_table_goes_by_its_own_name(rule: str) -> None:
    assert same_rules.identity(rule) == rule


def test_a_rule_that_reports_much_besides_means_the_fact_only_beside_another() -> None:
    assert same_rules.same("EmptyCatchBlock", "interrupt-swallowed")
    assert not same_rules.same("EmptyCatchBlock", "interrupt-swallowed", one_start=False)
    assert same_rules.facts("EmptyCatchBlock").isdisjoint(same_rules.facts("interrupt-swallowed"))
    assert same_rules.identity("EmptyCatchBlock") == "EmptyCatchBlock"
