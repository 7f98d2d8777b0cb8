"""What is decided: purely, every finding once, and nothing more to write when it is decided again."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.any_result import RESULTS
from support.memory_platform import ALL, EVERY, HEAD, NEXT, REF, MemoryPlatform
from support.posting import CHANGE, Desk, claim, long_file, reviewed, where
from support.results import CASES, FINE, MODEL, finding

from loom.config.schema import Output
from loom.core.finding import Severity, Suggestion, order
from loom.core.marker import Seal
from loom.core.result import ReviewResult
from loom.platforms.base import Cap, Limits
from loom.platforms.values import Access

FACT = {"deterministic": True, "deterministic_severity": Severity.BLOCKER, "severity": Severity.BLOCKER, "rule": "S608"}


def quiet(plan: Any) -> bool:
    return not (plan.create or plan.updates or plan.settle or plan.supersede)


def answered(desk: Desk, body: str, author: str = "ada", access: Access = "write") -> None:
    desk.platform.access[author] = access
    desk.platform.answer(desk.platform.inline[0], author, body)


# ---- laws


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(RESULTS, st.sampled_from(["review", "inline-comments", "summary-only", "json"]), st.integers(0, 3))
def test_every_finding_has_exactly_one_place(review: ReviewResult, format_: Any, most: int) -> None:
    desk = Desk(MemoryPlatform(files=review.files), Output(max_comments=most, format=format_))
    plan = desk.plan(review)
    places = [p.fingerprint for p in plan.placements] + [p.finding.fingerprint for p in plan.create]
    assert sorted(places) == sorted({f.fingerprint for f in review.findings})


def any_claim(n: int, severity: Severity, height: int, fact: bool) -> Any:
    facts = {"deterministic": True, "deterministic_severity": severity, "rule": "S608"} if fact else {}
    return claim(n, severity=severity, end_line=n + height, **facts)


FINDINGS = st.lists(
    st.builds(any_claim, st.integers(1, 40), st.sampled_from(Severity), st.integers(0, 2), st.booleans()),
    max_size=12,
    unique_by=lambda f: f.fingerprint,
).map(lambda found: sorted(found, key=order))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(FINDINGS, FINDINGS, st.integers(0, 8), st.integers(0, 3), st.randoms())
def test_deciding_again_on_what_was_posted_writes_nothing(
    first: list[Any], second: list[Any], most: int, per_file: int, chance: random.Random
) -> None:
    desk = Desk(output=Output(max_comments=most, max_comments_per_file=per_file))
    desk.post(reviewed(*first))
    desk.push(NEXT)
    after = reviewed(*second, head=NEXT)
    desk.post(after)
    threads = list(desk.platform.seen())
    chance.shuffle(threads)
    again = desk.plan(after, threads=tuple(threads))
    assert quiet(again)
    assert again == desk.plan(after)  # whatever the order of the threads
    desk.platform.log.clear()
    desk.post(after)
    assert desk.platform.log == []


# ---- creating


def test_findings_are_created_in_their_order_with_places_that_the_diff_has() -> None:
    plan = Desk(MemoryPlatform(files=CASES["findings"].files)).plan(replace(CASES["findings"], change=REF))
    drafts = [p.steps[0].draft for p in plan.create]
    assert [(d.anchor.path, d.anchor.side, d.anchor.start_line, d.anchor.line, d.anchor.kind) for d in drafts] == [
        ("deploy/settings.py", "new", None, 3, "added"),
        ("src/cart.py", "new", None, 42, "added"),
        ("src/cart.py", "new", 43, 44, "added"),
        ("src/legacy.py", "old", None, 2, "removed"),
        ("src/cart.py", "new", None, None, "file"),
    ]
    assert [(p.fingerprint, p.where, p.reason) for p in plan.placements] == [
        ("1122334455667788", "summary", "the file is not part of the change")
    ]
    assert [s.where for s in plan.create[2].steps] == ["inline", "inline_single", "file"]
    assert drafts[1].suggestion == "    rate = DISCOUNTS.get(code, 0)"
    assert "```diff\n-    if rate is 0:\n+    if rate == 0:\n         return subtotal\n```" in drafts[2].body


def test_an_unchanged_line_is_named_by_both_its_numbers() -> None:
    review = reviewed(finding(line=45, end_line=45), files=CASES["clean"].files)
    [planned] = Desk(MemoryPlatform(files=review.files)).plan(review).create
    anchor = planned.steps[0].draft.anchor
    assert (anchor.kind, anchor.side, anchor.line, anchor.old_line) == ("context", "new", 45, 43)


@pytest.mark.parametrize(
    ("changes", "lacking", "expected"),
    [
        ({"line": 45, "end_line": 47}, 0, [("inline_single", 46, "the lines do not stand in one hunk")]),
        ({"line": 42, "end_line": 43}, Cap.MULTILINE, [("inline_single", 43, "single lines only")]),
        ({"line": 42, "side": "old"}, Cap.OLD_SIDE, []),
        ({"line": 42, "end_line": 42, "side": "old", "path": "src/legacy.py"}, 0, []),
        ({"line": 2, "end_line": 2, "side": "old", "path": "src/legacy.py"}, Cap.OLD_SIDE, []),
        ({"line": 45, "end_line": 45}, Cap.CONTEXT_LINES, []),
        ({"line": None, "end_line": None, "anchor": "file"}, 0, []),
        ({"line": 900, "end_line": 900, "anchor": "none"}, 0, []),
    ],
)
def test_a_place_that_is_not_there_is_replaced_by_the_next_best(
    changes: Any, lacking: Any, expected: list[Any]
) -> None:
    files = CASES["findings"].files
    profile = replace(EVERY, caps=ALL & ~(lacking or Cap(0)))
    plan = Desk(MemoryPlatform(files=files, profile=profile)).plan(reviewed(finding(**changes), files=files))
    *lines, last = plan.create[0].steps
    assert last.where == "file"
    assert [(s.where, s.draft.anchor.line) for s in lines[:1]] == [(w, n) for w, n, _ in expected]
    assert all(why is None or why in (step.why or "") for step, (*_, why) in zip(lines, expected, strict=False))
    if lines and lines[0].where == "inline_single":
        assert f"Lines {changes['line']}–{changes['end_line']}." in lines[0].draft.body
    without = replace(profile, caps=profile.caps & ~Cap.FILE_COMMENT)
    plan = Desk(MemoryPlatform(files=files, profile=without)).plan(reviewed(finding(**changes), files=files))
    assert [p.where for p in plan.placements] == ([] if lines else ["summary"])


@pytest.mark.parametrize("lacking", [Cap.SUGGESTIONS, Cap.MULTILINE])
def test_a_suggestion_that_cannot_be_committed_is_shown_as_a_diff(lacking: Cap) -> None:
    fix = finding(line=3, end_line=4, quote=None, suggestion=Suggestion(3, 4, "x = 1", committable=True))
    profile = replace(EVERY, caps=ALL & ~lacking)
    [planned] = Desk(MemoryPlatform(files=(CHANGE,), profile=profile)).plan(reviewed(fix)).create
    draft = planned.steps[0].draft
    assert draft.suggestion is None
    assert "**Suggested for line 3–4**:\n\n```diff\n-line 3 = 3\n-line 4 = 4\n+x = 1\n```" in draft.body


def test_limits_move_findings_to_the_summary_with_the_reason() -> None:
    many = [claim(n) for n in range(1, 8)] + [claim(9, path="b.py"), claim(10, severity=Severity.INFO)]
    files = (CHANGE, long_file("b.py"))
    output = Output(max_comments=5, max_comments_per_file=3, inline_min_severity="warning")
    plan = Desk(MemoryPlatform(files=files), output).plan(reviewed(*many, files=files))
    assert [(p.finding.path, p.finding.line) for p in plan.create] == [
        ("b.py", 9), ("src/cart.py", 1), ("src/cart.py", 2), ("src/cart.py", 3),
    ]  # fmt: skip
    assert [(p.where, p.reason) for p in plan.placements] == [
        *[("summary", "over the limit of 3 comments in one file")] * 4,
        ("summary", "below inline_min_severity: warning"),
    ]


def test_the_platforms_own_ceiling_counts_too() -> None:
    profile = replace(EVERY, limits=Limits(comment=65_000, summary=65_000, inline_per_review=2))
    plan = Desk(MemoryPlatform(files=(CHANGE,), profile=profile)).plan(reviewed(*(claim(n) for n in range(1, 6))))
    assert len(plan.create) == 2
    assert {p.reason for p in plan.placements} == {"over the limit of 2 comments"}


def test_a_body_fits_the_platform_with_marker_and_suggestion() -> None:
    profile = replace(EVERY, limits=Limits(comment=4_000, summary=8_000))
    big = claim(
        1, message="word " * 5_000, title="t" * 900, suggestion=Suggestion(1, 1, "x" * 900, committable=True),
        rule="r" * 900,
    )  # fmt: skip
    desk = Desk(MemoryPlatform(files=(CHANGE,), profile=profile), seal=Seal(repo="acme/shop", number=12, key="k"))
    assert where(desk.post(reviewed(big))) == {big.fingerprint: "inline"}
    assert len(desk.platform.inline[0].comments[0].body) <= 4_000


# ---- keeping, updating


def test_a_finding_that_stands_there_is_kept_as_one_thread() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1), claim(2)))
    desk.push(NEXT)
    plan = desk.plan(reviewed(claim(1), claim(2), claim(3), head=NEXT))
    assert [p.finding.line for p in plan.create] == [3]
    assert {p.where for p in plan.placements} == {"deduped"}
    assert [f.state for f in plan.result.findings] == ["open", "open", "new"]


def test_a_finding_in_other_words_on_other_code_nearby_is_recognised_by_its_old_comment() -> None:
    desk = Desk()
    said = claim(
        10, message="The discount table may lack the code and then checkout ends with an error", title="Lookup"
    )
    desk.post(reviewed(said))
    desk.push(NEXT)
    moved = replace(said, fingerprint="f" * 16, line=14, end_line=14, quote="other()")
    plan = desk.plan(reviewed(moved, head=NEXT))
    assert quiet(plan)
    assert [f.fingerprint for f in plan.result.findings] == [said.fingerprint]


def test_a_comment_is_updated_when_a_fact_changed_and_not_for_a_models_other_words() -> None:
    desk = Desk()
    fact = claim(1, **{**FACT, "severity": Severity.WARNING, "deterministic_severity": Severity.WARNING})
    desk.post(reviewed(fact, claim(2)))
    desk.push(NEXT)
    worse = replace(fact, severity=Severity.BLOCKER, deterministic_severity=Severity.BLOCKER)
    plan = desk.plan(reviewed(worse, replace(claim(2), message="said otherwise"), head=NEXT))
    assert [u.finding.fingerprint for u in plan.updates] == [fact.fingerprint]
    desk.execute(plan)
    assert desk.platform.inline[0].comments[0].body.startswith("🛑 **blocker:**")
    assert quiet(desk.plan(reviewed(worse, claim(2), head=NEXT)))


def test_another_identitys_comment_is_kept_and_not_edited() -> None:
    desk = Desk(seal=Seal(repo="acme/shop", number=12, key="k"))
    desk.post(reviewed(claim(1, **FACT)))
    desk.platform.user = "loom-new[bot]"
    desk.push(NEXT)
    plan = desk.plan(reviewed(replace(claim(1, **FACT), message="other words of a tool"), head=NEXT))
    assert quiet(plan)


def test_with_another_identity_and_no_key_strangers_markers_do_not_count() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    desk.platform.user = "loom-new[bot]"
    assert len(desk.plan(reviewed(claim(1))).create) == 1


def test_a_marker_forged_in_a_strangers_comment_silences_nothing() -> None:
    other = Desk()
    other.post(reviewed(claim(1), head=HEAD))
    desk = Desk()
    for thread in other.platform.stored:
        desk.platform.say(thread.comments[0].body, author="mallory")
    plan = desk.plan(reviewed(claim(1)))
    assert len(plan.create) == 1
    assert plan.memory.summary is None


# ---- resolving


def test_a_fixed_finding_is_resolved_and_one_that_was_not_looked_at_again_is_carried() -> None:
    other = long_file("other.py")
    desk = Desk(MemoryPlatform(files=(CHANGE, other)))
    desk.post(reviewed(claim(1), claim(2, path="other.py"), claim(3, sources=("logic",)), files=(CHANGE, other)))
    desk.push(NEXT)
    skipped = replace(other, reviewed=False, reason="left out by triggers or --paths")
    plan = desk.plan(reviewed(head=NEXT, files=(CHANGE, skipped)))
    assert [s.finding.line for s in plan.settle] == [1]
    assert [f.line for f in plan.fixed] == [1]
    assert {f.line for f in plan.result.findings} == {2, 3}  # 3 is of a pipeline that did not run
    assert plan.carried == {claim(2).fingerprint, claim(3).fingerprint}


@pytest.mark.parametrize(
    "changes",
    [
        {"pipelines": (replace(MODEL, status="failed"),)},
        {"pipelines": (replace(MODEL, status="partial", not_reviewed=("src/cart.py#1",)),)},
        {"files": (replace(CHANGE, reviewed=False, reason="unreadable"),)},
        {"files": (replace(CHANGE, reason="a lock file: models are not asked about it"),)},
        {"files": (), "outcome": replace(FINE, complete=False)},
    ],
)
def test_what_was_not_reviewed_again_is_never_called_fixed(changes: Any) -> None:
    desk = Desk()
    desk.post(reviewed(claim(1, severity=Severity.BLOCKER)))
    plan = desk.plan(reviewed(**changes))
    assert plan.fixed == ()
    assert plan.settle == ()
    assert [f.line for f in plan.result.findings] == [1]


def test_a_file_that_left_the_change_takes_its_findings_along() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    desk.push(NEXT)
    assert [f.line for f in desk.plan(reviewed(files=(long_file("other.py"),), head=NEXT)).fixed] == [1]


def test_a_thread_that_a_person_answered_last_is_left_to_them() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    answered(desk, "I am not sure about this one.")
    plan = desk.plan(reviewed())
    assert plan.settle == ()
    assert [f.line for f in plan.fixed] == [1]


def test_a_finding_that_comes_back_is_told_anew() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    desk.push(NEXT)
    desk.post(reviewed(head=NEXT))
    assert desk.platform.inline[0].resolved
    desk.push("2" * 40)
    published = desk.post(reviewed(claim(1), head="2" * 40))
    assert where(published) == {claim(1).fingerprint: "inline"}
    assert [t.resolved for t in desk.platform.inline] == [True, False]
    assert quiet(desk.plan(reviewed(claim(1), head="2" * 40)))


def test_a_finding_that_is_ignored_now_has_its_thread_resolved() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    silenced = CASES["findings"].dropped[0]
    entry = {"fingerprint": claim(1).fingerprint, "suppressed_by": {"where": ".loom/memory.yaml:4", "reason": "no"}}
    drop = replace(silenced, reason="suppressed", finding=entry)
    plan = desk.plan(reviewed(dropped=(drop,)))
    assert [(s.why, s.note) for s in plan.settle] == [("ignored", "Ignored by .loom/memory.yaml:4.")]
    assert plan.fixed == ()


def test_resolve_fixed_can_be_switched_off() -> None:
    desk = Desk(output=Output(resolve_fixed=False))
    desk.post(reviewed(claim(1)))
    plan = desk.plan(reviewed())
    assert plan.settle == ()
    assert len(plan.fixed) == 1


# ---- what people decide


@pytest.mark.parametrize("gesture", ["resolved", "thumbs_down", "ignore", "resolve", "general", "prefix"])
@pytest.mark.parametrize("access", ["write", "admin", "read", "none", "unknown"])
def test_only_people_with_write_permission_silence_a_finding(gesture: str, access: Access) -> None:
    desk = Desk()
    desk.post(reviewed(claim(1), claim(2)))
    desk.platform.access["ada"] = access
    [thread, _] = desk.platform.inline
    root = thread.comments[0]
    match gesture:
        case "resolved":
            desk.platform.change(thread, resolved=True, resolved_by="ada")
        case "thumbs_down":
            desk.platform.change(thread, comments=(replace(root, reactions={"-1": ("ada",)}),))
        case "ignore":
            desk.platform.answer(thread, "ada", "/loom ignore\nsince it is on purpose")
        case "resolve":
            desk.platform.answer(thread, "ada", "/loom resolve")
        case "general":
            desk.platform.say(f"/loom ignore {claim(1).fingerprint} on purpose", "ada")
        case "prefix":
            desk.platform.say(f"/loom ignore `{claim(1).fingerprint[:8]}` on purpose", "ada")
    plan = desk.plan(reviewed(claim(1), claim(2)))
    may = access in ("write", "admin")
    assert plan.create == ()
    assert [f.line for f in plan.result.findings] == ([2] if may else [1, 2])
    assert plan.unheard == (0 if may else 1)
    assert [s.who for s in plan.silenced] == (["ada"] if may else [])
    assert {p.fingerprint: p.where for p in plan.placements} == dict.fromkeys(
        [claim(1).fingerprint, claim(2).fingerprint], "deduped"
    )


@pytest.mark.parametrize(
    "body", ["see /loom ignore", " /loom ignore", "/loom ignored", "/loomignore", "> /loom ignore", "x\n/loom ignore"]
)
def test_only_a_command_that_begins_a_comment_is_one(body: str) -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    answered(desk, body)
    assert desk.plan(reviewed(claim(1))).silenced == ()


def test_a_bots_and_our_own_words_are_no_decisions() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    answered(desk, "/loom ignore", author="other[bot]", access="admin")
    desk.platform.answer(desk.platform.inline[0], desk.platform.user, "/loom ignore")
    assert desk.plan(reviewed(claim(1))).memory.actors == frozenset()


def test_a_tools_blocker_counts_until_it_is_fixed_or_ignored_with_a_reason() -> None:
    desk = Desk()
    review = reviewed(claim(1, **FACT))
    desk.post(review)
    desk.platform.access["ada"] = "write"
    desk.platform.change(desk.platform.inline[0], resolved=True, resolved_by="ada")
    plan = desk.plan(review)
    assert plan.blocking
    assert quiet(plan)
    assert [f.line for f in plan.result.findings] == [1]
    answered(desk, "/loom ignore")
    assert desk.plan(review).blocking
    answered(desk, "/loom ignore it is test data")
    plan = desk.plan(review)
    assert not plan.blocking
    assert plan.result.findings == ()
    assert plan.result.dropped[-1].finding["suppressed_by"] == {
        "kind": "pull-request", "where": "@ada", "reason": "it is test data",
    }  # fmt: skip


def test_a_carried_blocker_keeps_blocking() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1, **FACT)))
    desk.push(NEXT)
    unseen = replace(CHANGE, reviewed=False, reason="unchanged since the last review")
    published = desk.post(reviewed(files=(unseen,), head=NEXT))
    assert published.result.outcome.blocking
    assert published.result.outcome.exit_code == 1


def test_a_comment_that_somebody_deleted_is_not_posted_again_and_its_finding_stays_in_the_summary() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    desk.platform.remove(desk.platform.inline[0])
    plan = desk.plan(reviewed(claim(1)))
    assert plan.create == ()
    assert [(p.where, p.reason) for p in plan.placements] == [("summary", "its comment was deleted")]


# ---- the rest


@pytest.mark.parametrize(
    ("action", "severity", "complete", "expected"),
    [
        ("comment", Severity.BLOCKER, True, "comment"),
        ("approve", Severity.WARNING, True, "approve"),
        ("approve", Severity.BLOCKER, True, "comment"),
        ("approve", Severity.WARNING, False, "comment"),
        ("request_changes", Severity.BLOCKER, True, "request_changes"),
        ("request_changes", Severity.WARNING, True, "comment"),
    ],
)
def test_the_verdict_follows_review_action(action: Any, severity: Severity, complete: bool, expected: str) -> None:
    desk = Desk(output=Output(review_action=action))
    review = reviewed(claim(1, severity=severity), outcome=replace(FINE, complete=complete))
    assert desk.plan(review).verdict == expected
    if expected == "approve":
        assert desk.plan(review, may_approve=False).verdict == "comment"
        desk.platform.profile = replace(EVERY, caps=ALL & ~Cap.APPROVE)
        assert desk.plan(review).verdict == "comment"


def test_a_skipped_review_posts_no_comment() -> None:
    plan = Desk().plan(reviewed(outcome=replace(FINE, ran=False, skipped="a draft")))
    assert quiet(plan)
    assert not plan.summary


def test_second_summaries_are_superseded_and_the_oldest_is_kept() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    first = desk.platform.stored[-1]
    desk.platform.say(first.comments[0].body)
    plan = desk.plan(reviewed(claim(1)))
    assert plan.memory.summary is not None
    assert plan.memory.summary.thread.id == first.id
    assert [own.thread.id for own in plan.supersede] == [desk.platform.stored[-1].id]
