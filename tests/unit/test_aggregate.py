"""Merging: same fact, one finding; and recognising findings of an earlier run."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.core.finding import Finding, RawFinding, Severity, SourceRule, Suggestion, fingerprint
from loom.engine import same_rules
from loom.engine.aggregate import compare, merge
from loom.engine.same_fact import Anchored
from loom.engine.sides import Sides


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
    title: str = "",
    builtin: bool = False,
) -> Anchored:
    raw = RawFinding(path="src/cart.py", message=message, title=title, line=line, rule=rule, confidence=confidence)
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
        builtin=builtin,
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
    lines = {1: "x = 1", 2: "y", 3: " x  = 1", 4: "y", 5: "x = 1", 6: "", 7: "y", 8: "x = 1", 9: "y2"}
    sides = Sides(path="a", base_path="a", new=lines, old={}, changed_new=frozenset(), changed_old=frozenset())
    assert sides.occurrence("x = 1", 5, "new") == 2
    assert sides.occurrence("x = 1\ny", 3, "new") == 1
    assert sides.occurrence("x = 1\n\ny", 9, "new") == 1  # as many lines, the empty ones left out
    assert sides.occurrence("x = 1\ny", 9, "new") == 2
    assert sides.occurrence("", 3, "new") == 0


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


# -- identity does not depend on which tools are installed -------------------------------------------------------------


def told_by(tool: str, rule: str, message: str = "", **more: Any) -> Anchored:
    return found(message or f"what {tool} says", pipeline=tool, rule=rule, deterministic=True, **more)


SHARED = [
    [told_by("linter/ruff", "BLE001"), told_by("linter/pylint", "W0718"), told_by("a", "broad-except")],
    [
        told_by("rules", "mutable-default-argument", builtin=True),
        told_by("linter/ruff", "B006"),
        told_by("linter/pylint", "PLW0102", severity=Severity.BLOCKER),
    ],
    [told_by("linter/biome", "lint/suspicious/noEmptyBlockStatements"), told_by("linter/eslint", "no-empty-function")],
    [told_by("linter/bandit", "B999"), told_by("linter/ruff", "S999")],
    [told_by("linter/eslint", "no-undef"), told_by("linter/oxlint", "eslint(no-undef)")],
    [told_by("secrets", "secrets/slack-token", builtin=True), told_by("linter/gitleaks", "slack-bot-token")],
    [told_by("linter/gitleaks", "generic-api-key"), told_by("linter/bandit", "B105")],
]


@pytest.mark.parametrize("tools", SHARED, ids=lambda tools: tools[0].raw.rule)
def test_whichever_tools_report_a_fact_its_fingerprint_is_the_same(tools: list[Anchored]) -> None:
    subsets = [s for n in range(1, len(tools) + 1) for s in combinations(tools, n)]
    merged = [merge(subset) for subset in subsets]
    assert [len(findings) for findings in merged] == [1] * len(subsets)
    assert len({findings[0].fingerprint for findings in merged}) == 1


def test_a_rule_that_no_other_tool_shares_keeps_its_fingerprint() -> None:
    (alone,) = merge([told_by("lint", "E1")])
    here = partial(fingerprint, base_path="src/cart.py", code="rate = DISCOUNTS[code]", nth=0)
    assert (alone.fingerprint, alone.aliases) == (here(rule="E1"), ())
    (known,) = merge([told_by("linter/bandit", "B324")])
    assert known.fingerprint == here(rule="weak-password-hash")
    assert known.aliases == (here(rule="B324"),)  # made before the table named the fact


RULED = st.builds(
    told_by,
    st.sampled_from(["linter/a", "linter/b", "linter/ruff", "rules"]),
    st.sampled_from(["B324", "S324", "weak-password-hash", "E1", "W0109", "F601", "EmptyCatchBlock", "B105"]),
    st.sampled_from(["weak hash in use", "a hash that is weak in use", "two keys alike", "caught and dropped"]),
    line=st.integers(1, 6),
    end=st.integers(6, 9),
    severity=st.sampled_from(Severity),
    code=st.sampled_from(["x", "y = x", "z"]),
)


@given(st.lists(RULED, min_size=1, max_size=7), st.randoms())
def test_what_fewer_tools_told_is_known_again_when_more_tell_it_and_the_other_way_round(
    items: list[Anchored], rng: random.Random
) -> None:
    fewer = [item for item in items if item.severity is not Severity.BLOCKER and rng.random() < 0.6]
    few, all_ = merge(fewer), merge([item for item in items if item.severity is not Severity.BLOCKER])
    for now, before in ((all_, few), (few, all_)):
        marked, _ = compare(now, before)
        assert len({f.fingerprint for f in marked}) == len(marked)
        names = Counter(name for f in marked for name in f.prints)
        assert max(names.values(), default=1) == 1
    if len(few) == len(all_) == 1:
        assert {f.state for f in compare(all_, few)[0]} == {f.state for f in compare(few, all_)[0]} == {"open"}


def test_tools_that_mark_other_lines_for_one_fact_are_known_by_their_own_fingerprints() -> None:
    block = told_by("linter/checkov", "CKV_AWS_16", line=15, end=20, code="resource\n…")
    line = told_by("rules", "storage-not-encrypted", line=19, code="storage_encrypted = false", builtin=True)
    (alone,) = merge([block])
    (both,) = merge([block, line])
    assert alone.fingerprint != both.fingerprint == merge([line])[0].fingerprint
    assert alone.fingerprint in both.prints
    for now, before in ((both, alone), (alone, both)):
        marked, gone = compare([now], [before])
        assert (marked[0].state, marked[0].fingerprint, gone) == ("open", before.fingerprint, ())
        assert now.fingerprint in marked[0].prints


def test_a_finding_known_by_its_place_keeps_its_own_fingerprint_as_an_alias() -> None:
    (before,) = merge([found()])
    (now,) = merge([found("discount code still not checked", line=44, code="rate = DISCOUNTS[code.upper()]")])
    marked, _ = compare([now], [before])
    assert (marked[0].fingerprint, marked[0].aliases) == (before.fingerprint, (now.fingerprint,))


def test_a_finding_is_known_again_when_another_tool_gives_it_its_rule() -> None:
    (before,) = merge([told_by("linter/ruff", "S324", "Probable use of insecure hash functions in hashlib: md5")])
    moved = told_by(
        "linter/bandit", "B324", "Probable use of insecure hash functions in hashlib: md5", code="b", line=44
    )
    assert compare(merge([moved]), [before])[0][0].state == "open"


def test_what_is_said_of_one_finding_never_holds_for_another() -> None:
    # Two facts that a table row of ours names alike, on one line; without the row's own rule they stay two.
    one, two = merge([told_by("linter/bandit", "B307", "eval"), told_by("linter/bandit", "B102", "exec")])
    assert set(one.prints).isdisjoint(two.prints)
    many = merge([replace(told_by("lint", "S324", f"text {n}", code=""), line=n, end_line=n) for n in range(1, 5)])
    names = Counter(name for f in many for name in f.prints)
    assert (len(many), max(names.values())) == (4, 1)


def test_a_blocker_is_not_known_by_what_another_tool_says_in_like_words() -> None:
    lesser = told_by("linter/a", "A1", "the file is not closed")
    blocker = told_by("linter/b", "B1", "this file is not closed", severity=Severity.BLOCKER)
    (both,) = merge([lesser, blocker])
    assert both.sources == ("linter/b", "linter/a")
    assert both.prints == merge([blocker])[0].prints


# -- never two facts in one --------------------------------------------------------------------------------------------


def test_two_rules_of_one_tool_are_two_facts_however_alike_they_are_worded() -> None:
    one = told_by("linter/checkov", "CKV_AWS_16", "Ensure all data stored in the RDS is securely encrypted at rest")
    two = told_by("linter/checkov", "CKV_AWS_17", "Ensure all data stored in RDS is not publicly accessible")
    three = told_by("linter/checkov", "CKV2_AWS_1", "Ensure all data stored in the RDS is securely encrypted")
    assert len(merge([one, two, three])) == 3


def test_one_rule_that_speaks_of_several_names_on_a_line_is_several_facts() -> None:
    names = ("bar", "baz", "qux")
    one = [told_by("linter/eslint", "no-undef", f"'{name}' is not defined.") for name in names]
    other = [told_by("linter/oxlint", "eslint(no-undef)", f"'{name}' is not defined at all") for name in names]
    claim = found("bar and baz and qux are not defined", rule="no-undef")
    for items in (one, [*one, *one], [*one, *other], [*other, *one, claim]):
        merged = merge(items)
        assert sorted(f.message.split("'")[1] for f in merged) == sorted(names)
    both = {f.message.split("'")[1]: f for f in merge([*one, *other])}
    assert [f.sources for f in both.values()] == [("linter/eslint", "linter/oxlint")] * 3
    alone = {f.message.split("'")[1]: f.fingerprint for f in merge(one)}
    assert {name: f.fingerprint for name, f in both.items()} == alone


def test_tools_that_quote_different_names_do_not_mean_one_fact() -> None:
    bar = told_by("linter/eslint", "no-undef", "'bar' is not defined")
    baz = told_by("linter/oxlint", "eslint(no-undef)", "`baz` is not defined")
    assert len(merge([bar, baz])) == 2
    assert len(merge([bar, replace(baz, raw=replace(baz.raw, message="`bar()` is not defined"))])) == 1
    assert len(merge([bar, replace(baz, raw=replace(baz.raw, message="not defined"))])) == 1


def test_two_sentences_without_a_rule_of_one_tool_are_two_facts() -> None:
    one, two = (found(f"Name '{name}' may be undefined at this point", deterministic=True) for name in ("bar", "baz"))
    assert len(merge([one, two])) == 2


def imports(*names: str) -> dict[str, Finding]:
    merged = merge([told_by("linter/ruff", "F401", f"`{name}` imported but unused") for name in names])
    return {f.message.split("`")[1]: f for f in merged}


def test_facts_of_one_rule_on_one_line_keep_their_fingerprints_when_one_comes_or_goes() -> None:
    two, three = imports("os", "sys"), imports("abc", "sys", "os")
    assert two["os"].fingerprint != two["sys"].fingerprint
    assert {name: three[name].fingerprint for name in two} == {name: f.fingerprint for name, f in two.items()}
    for name in two:
        alone = imports(name)[name]
        assert alone.fingerprint == fingerprint(
            base_path="src/cart.py", rule=same_rules.identity("F401"), code="rate = DISCOUNTS[code]", nth=0
        )
        assert two[name].fingerprint in alone.aliases
        assert alone.fingerprint not in [print_ for f in two.values() for print_ in f.prints]
        [marked], gone = compare([alone], list(two.values()))
        assert (marked.state, marked.fingerprint, len(gone)) == ("open", two[name].fingerprint, 1)


def test_without_names_the_text_tells_facts_of_one_rule_apart() -> None:
    texts = ("the first is unused", "the second is unused")
    two = {f.message: f.fingerprint for f in merge([told_by("lint", "E1", text) for text in texts])}
    three = {f.message: f.fingerprint for f in merge([told_by("lint", "E1", t) for t in ("another one", *texts)])}
    assert len(set(three.values())) == 3
    assert {text: three[text] for text in texts} == two


def test_ten_thousand_findings_on_two_lines_are_sorted_out_and_none_is_lost() -> None:
    same = [told_by("lint", "E1", "one text", line=1 + n % 2) for n in range(10_000)]
    assert len(merge(same)) == 2
    many = [told_by("lint", "E1", f"text {n}", line=1 + n % 2) for n in range(3_000)]
    many += [found(f"claim {n} about thing {n}", line=1 + n % 2) for n in range(3_000)]
    merged = merge(many)
    assert {f.message for f in merged} >= {a.raw.message for a in many if a.deterministic}
    assert len({f.fingerprint for f in merged}) == len(merged)


def test_two_rules_that_are_known_for_different_facts_are_not_one_by_their_words() -> None:
    timeout = told_by("linter/ruff", "S113", "Probable use of `requests` call without timeout")
    verify = told_by("linter/bandit", "B501", "Probable use of `requests` call without verify")
    assert len(merge([timeout, verify])) == 2


def test_a_finding_about_a_whole_block_is_no_link_between_two_that_stand_in_it() -> None:
    block = told_by("linter/checkov", "CKV_AWS_24", line=1, end=20, code="resource")
    first = told_by("rules", "open-to-the-internet", line=3, end=8, code="ingress 22", builtin=True)
    second = told_by("rules", "open-to-the-internet", line=10, end=15, code="ingress 3389", builtin=True)
    merged = merge([second, block, first])
    assert [(f.line, [other.rule for other in f.also]) for f in merged] == [(3, ["CKV_AWS_24"]), (10, [])]


def test_an_empty_catch_is_the_swallowed_interrupt_only_where_both_begin_on_one_line() -> None:
    swallowed = told_by("rules", "interrupt-swallowed", line=6, end=7, builtin=True)
    same, before = (told_by("linter/checkstyle", "EmptyCatchBlock", line=n, end=e) for n, e in ((6, 6), (5, 6)))
    assert len(merge([swallowed, same])) == 1
    assert len(merge([swallowed, before])) == 2


# -- which text is shown -----------------------------------------------------------------------------------------------


def test_of_the_worst_the_one_is_shown_that_says_most() -> None:
    ours = told_by(
        "rules", "self-assignment", "It does nothing.\n\nDelete it.", title="Assigned to itself", builtin=True
    )
    bare = told_by("linter/a", "W0127", "Assigning x to itself", title="Assigning x to itself")
    rich = told_by("linter/z", "no-self-assign", "x is assigned to itself; did you mean y?", title="Self-assignment")
    assert merge([bare, rich, ours])[0].title == "Assigned to itself"
    assert merge([bare, rich])[0].title == "Self-assignment"
    assert [other.rule for other in merge([bare, rich, ours])[0].also] == ["no-self-assign", "W0127"]
    worse = replace(bare, severity=Severity.BLOCKER)
    assert merge([worse, rich, ours])[0].title == "Assigning x to itself"


def test_a_title_that_was_cut_says_no_less_than_its_message() -> None:
    cut = told_by("linter/a", "W0127", "a long sentence about x", title="a long sentence…")
    plain = told_by("linter/b", "no-self-assign", "b", title="b")
    assert merge([cut, plain])[0].pipeline == "linter/a"
