"""Merging: same fact, one finding; and recognising findings of an earlier run."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from loom.core.finding import Finding, RawFinding, Severity, SourceRule, Suggestion
from loom.engine.aggregate import Anchored, compare, merge, occurrence


def found(
    message: str = "the discount code is not checked",
    *,
    line: int | None = 42,
    end: int | None = None,
    pipeline: str = "review",
    severity: Severity = Severity.WARNING,
    rule: str | None = None,
    deterministic: bool = False,
    confidence: float | None = None,
    suggestion: Suggestion | None = None,
    code: str = "rate = DISCOUNTS[code]",
) -> Anchored:
    raw = RawFinding(path="src/cart.py", message=message, title="", line=line, rule=rule, confidence=confidence)
    return Anchored(
        raw=raw,
        pipeline=pipeline,
        severity=severity,
        deterministic=deterministic,
        base_path="src/cart.py",
        anchor="exact" if line else "file",
        side="new",
        line=line,
        end_line=end or line,
        code=code if line else "",
        nth=0,
        suggestion=suggestion,
    )


def test_the_same_words_on_overlapping_lines_are_one_finding_with_all_sources() -> None:
    one = found(pipeline="logic", confidence=0.4, line=41, end=43)
    two = found("discount code is never checked", pipeline="review", severity=Severity.BLOCKER, confidence=0.9)
    (merged,) = merge([one, two])
    assert merged.sources == ("review", "logic")
    assert merged.severity is Severity.BLOCKER
    assert merged.confidence == 0.9
    assert (merged.line, merged.end_line) == (42, 42)


def test_what_each_tool_calls_the_fact_survives_merging() -> None:
    ruff = found("use of weak hash md5", pipeline="linter/ruff", rule="S324", deterministic=True)
    bandit = found("use of weak md5 hash", pipeline="linter/bandit", rule="B324", deterministic=True)
    model = found("weak hash md5 in use", pipeline="review", rule="weak-hash")
    (merged,) = merge([ruff, bandit, model])
    assert (merged.rule, merged.sources) == ("B324", ("linter/bandit", "linter/ruff", "review"))
    assert merged.also == (SourceRule("linter/ruff", "S324"),)


def test_different_facts_on_one_line_stay_two_and_get_two_fingerprints() -> None:
    merged = merge([found(), found("total may overflow for large carts")])
    assert len(merged) == 2
    assert len({f.fingerprint for f in merged}) == 2


def test_one_rule_on_overlapping_lines_is_one_fact_whatever_it_says() -> None:
    merged = merge([found("a", rule="S1", deterministic=True), found("b", rule="S1", deterministic=True, pipeline="z")])
    assert [f.sources for f in merged] == [("review", "z")]


def test_the_gate_sees_the_deterministic_severity_not_the_models() -> None:
    claim = found(severity=Severity.BLOCKER)
    fact = found(pipeline="lint", rule="E1", deterministic=True, severity=Severity.WARNING)
    (merged,) = merge([claim, fact])
    assert merged.severity is Severity.BLOCKER
    assert merged.deterministic_severity is Severity.WARNING
    assert merged.rule == "E1"


def test_findings_about_the_file_merge_only_with_each_other() -> None:
    assert len(merge([found(line=None), found(line=None), found(line=1)])) == 2


anchored = st.builds(
    found,
    message=st.sampled_from(["code unchecked here", "code unchecked", "overflow of total", "leak", "leak of handle"]),
    line=st.none() | st.integers(1, 12),
    end=st.none() | st.integers(12, 14),
    pipeline=st.sampled_from(["a", "b", "c"]),
    severity=st.sampled_from(Severity),
    rule=st.sampled_from([None, "r1", "r2"]),
    deterministic=st.booleans(),
    confidence=st.none() | st.floats(0, 1),
)


def again(finding: Finding) -> Anchored:
    """A merged finding put in once more."""
    return replace(
        found(finding.message, line=finding.line, end=finding.end_line, pipeline=finding.pipeline),
        raw=RawFinding(path=finding.path, message=finding.message, line=finding.line, rule=finding.rule),
        severity=finding.severity,
        deterministic=finding.deterministic,
    )


@given(st.lists(anchored, max_size=12), st.randoms())
def test_merging_does_not_depend_on_the_order(items: list[Anchored], rng: random.Random) -> None:
    shuffled = list(items)
    rng.shuffle(shuffled)
    assert merge(shuffled) == merge(items)


@given(st.lists(anchored, max_size=12))
def test_every_source_survives_and_none_is_made_up(items: list[Anchored]) -> None:
    merged = merge(items)
    assert {s for f in merged for s in f.sources} == {a.pipeline for a in items}
    assert len({f.fingerprint for f in merged}) == len(merged)


@given(st.lists(anchored, max_size=10))
def test_the_worst_severity_survives(items: list[Anchored]) -> None:
    worst = min((a.severity.rank for a in items), default=None)
    assert min((f.severity.rank for f in merge(items)), default=None) == worst


def test_the_nth_occurrence_counts_the_same_code_above() -> None:
    lines = {1: "x = 1", 2: "y", 3: "x = 1", 4: "y", 5: "x = 1"}
    assert occurrence("x = 1", 5, lines) == 2
    assert occurrence("x = 1\ny", 3, lines) == 1
    assert occurrence("", 3, lines) == 0


def test_a_finding_of_the_last_run_is_open_a_gone_one_fixed_and_another_new() -> None:
    before = merge([found(), found("total may overflow for large carts", line=60, code="total += x")])
    now = merge([found("discount code still not checked"), found("file handle leaks", line=90, code="open(p)")])
    marked, fixed = compare(now, before)
    assert [(f.message, f.state) for f in marked] == [
        ("discount code still not checked", "open"),
        ("file handle leaks", "new"),
    ]
    assert fixed == (next(f.fingerprint for f in before if f.line == 60),)
    assert marked[0].fingerprint == before[0].fingerprint


def test_one_earlier_finding_is_recognised_once() -> None:
    before = merge([found()])
    now = merge([found(), found("the discount code is not checked at all", line=44, code="other")])
    marked, fixed = compare(now, before)
    assert sorted(f.state for f in marked) == ["new", "open"]
    assert fixed == ()


def test_findings_in_a_script_without_spaces_are_told_apart_by_what_they_say() -> None:
    one, two = found("割引コードが検証されていません"), found("合計がオーバーフローする可能性があります")
    again = found("割引コードは検証されていません", pipeline="logic")
    assert sorted(f.sources for f in merge([one, two, again])) == [("logic", "review"), ("review",)]


def test_findings_without_any_word_are_one_only_when_they_say_the_same() -> None:
    assert len(merge([found("??"), found("!!")])) == 2
    assert len(merge([found("??"), found("??", pipeline="logic")])) == 1


def test_a_tools_finding_keeps_its_identity_when_a_model_agrees() -> None:
    fact = found(pipeline="lint", rule="E1", deterministic=True)
    claim = found(severity=Severity.BLOCKER)
    assert merge([fact])[0].fingerprint == merge([fact, claim])[0].fingerprint
