"""What ends up on the platform, whatever fails on the way: no finding lost, none twice, people's comments untouched."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.memory_platform import ALL, EVERY, NEXT, Fault, MemoryPlatform, denied, lost
from support.posting import CHANGE, SEAL, Desk, claim, long_file, reviewed, where
from support.results import FINE, MODEL

from loom.config.schema import Output
from loom.core.finding import Finding, Severity, Suggestion
from loom.core.marker import Seal
from loom.engine.publish import Published
from loom.platforms.base import (
    AuthError,
    Cap,
    DownError,
    LimitedError,
    MissingError,
    PlatformError,
    RejectedError,
    StaleError,
)

THREE = (claim(1), claim(2), claim(3))
WRITES = (
    "post_review", "post_single", "create_comment", "edit_comment", "reply", "resolve", "set_status", "minimise",
    "pull_request", "threads", "discard_pending",
)  # fmt: skip
ERRORS: dict[str, Callable[[], PlatformError]] = {
    "401": lambda: AuthError("the token expired", hint="renew LOOM_TOKEN", status=401),
    "403": lambda: denied("").error(),
    "404": lambda: MissingError("404", status=404),
    "409": lambda: StaleError("409", status=409),
    "422": lambda: RejectedError("422", said="Validation Failed", status=422),
    "429": lambda: LimitedError("429", said="secondary rate limit", status=429),
    "502": lambda: DownError("502", status=502),
    "reset": lambda: DownError("connection reset", acted=True),
}


def spoken(platform: MemoryPlatform) -> Counter[str]:
    """Fingerprint -> how many open comments speak for it."""
    found: Counter[str] = Counter()
    for thread in platform.inline:
        root = thread.comments[0]
        marker = SEAL.read(root.body, by_self=root.author.startswith("loom"))
        if marker and marker.state == "open" and not thread.resolved:
            found[marker.fingerprint] += 1
    return found


def nothing_lost(published: Published, platform: MemoryPlatform, findings: Sequence[Finding]) -> None:
    """Every finding has one place, is there, and is there once; and the outcome says what is true."""
    places = {p.fingerprint: p for p in published.placements}
    assert sorted(places) == sorted(f.fingerprint for f in findings)
    assert len(published.placements) == len(places)
    said = spoken(platform)
    assert all(count == 1 for count in said.values()), said
    for finding in findings:
        place = places[finding.fingerprint]
        if place.where in ("inline", "inline_single", "file"):
            assert said[finding.fingerprint] == 1
        elif place.where == "summary":
            assert any(finding.title in body for body in platform.summaries), finding.title
            assert place.reason
    arrived = all(p.where != "log" for p in places.values())
    if not arrived:
        assert published.delivered in (False, None)
    outcome = published.result.outcome
    assert outcome.delivered is published.delivered
    if outcome.delivered is False and not outcome.blocking:
        assert outcome.exit_code == 4
    assert published.result.placements == published.placements


# ---- the way it goes


def test_a_first_run_posts_one_review_one_summary_and_one_status() -> None:
    desk = Desk()
    published = desk.post(reviewed(*THREE))
    assert desk.platform.writes == ["post_review", "set_status", "create_comment"]
    assert len(desk.platform.log) <= 7
    assert where(published) == dict.fromkeys([f.fingerprint for f in THREE], "inline")
    assert published.delivered is True
    assert [s.state for s in desk.platform.statuses] == ["success"]
    nothing_lost(published, desk.platform, THREE)


def test_thirty_findings_take_no_more_requests_than_three() -> None:
    profile = replace(EVERY, limits=replace(EVERY.limits, inline_per_review=50))
    desk = Desk(MemoryPlatform(files=(CHANGE,), profile=profile), Output(max_comments=40, max_comments_per_file=40))
    published = desk.post(reviewed(*(claim(n) for n in range(1, 31))))
    assert set(where(published).values()) == {"inline"}
    assert len(desk.platform.log) <= 7


def test_a_second_run_with_nothing_new_asks_and_writes_nothing() -> None:
    desk = Desk()
    desk.post(reviewed(*THREE))
    desk.platform.log.clear()
    later = reviewed(*THREE, timings_ms={"total": 99_000}, pipelines=(replace(MODEL, cost_usd=9.0, duration_ms=1),))
    published = desk.post(later)
    assert desk.platform.log == []
    assert published.delivered is True
    assert set(where(published).values()) == {"deduped"}


def test_a_push_without_findings_updates_the_summary_in_place() -> None:
    desk = Desk()
    desk.post(reviewed(*THREE))
    desk.push(NEXT)
    desk.platform.log.clear()
    desk.post(reviewed(head=NEXT))
    assert len(desk.platform.summaries) == 1
    assert desk.platform.writes == ["resolve", "reply"] * 3 + ["set_status", "edit_comment"]
    assert "0 still open, 3 fixed" in desk.platform.summaries[0]
    assert desk.platform.inline[0].comments[-1].body.startswith("Fixed: no longer found at `1111111111`.")


def test_a_suggestion_is_posted_to_be_committed() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1, suggestion=Suggestion(1, 1, "x = 1", committable=True))))
    assert "```suggestion\nx = 1\n```\n\n<!-- loom:1:f:" in desk.platform.inline[0].comments[0].body


def test_an_updated_comment_keeps_its_suggestion_and_marker() -> None:
    fact = {"deterministic": True, "deterministic_severity": Severity.WARNING}
    first = claim(1, **fact, suggestion=Suggestion(1, 1, "x = 1", committable=True))
    desk = Desk()
    desk.post(reviewed(first))
    desk.post(reviewed(replace(first, message="said otherwise")))
    body = desk.platform.inline[0].comments[0].body
    assert "said otherwise" in body
    assert "```suggestion\nx = 1\n```\n\n<!-- loom:1:f:" in body
    assert "edit_comment" in desk.platform.log


# ---- the fallback table, row by row


def test_one_bad_line_in_thirty_costs_only_its_place() -> None:
    desk = Desk(output=Output(max_comments=30, max_comments_per_file=30))
    desk.platform.bad_lines = {7}
    many = [claim(n) for n in range(1, 31)]
    published = desk.post(reviewed(*many))
    places = {p.fingerprint: p for p in published.placements}
    odd = places.pop(claim(7).fingerprint)
    assert {p.where for p in places.values()} == {"inline"}
    assert (odd.where, odd.reason) == ("file", "line must be part of the diff")
    nothing_lost(published, desk.platform, many)


def test_a_range_that_is_refused_becomes_its_last_line_with_words_and_a_diff() -> None:
    desk = Desk()
    desk.platform.profile = EVERY
    ranged = claim(3, end_line=5, suggestion=Suggestion(3, 5, "x = 1", committable=True))
    plan = desk.plan(reviewed(ranged))
    desk.platform.profile = replace(EVERY, caps=ALL & ~Cap.MULTILINE)  # the server is older than it said
    published = desk.execute(plan)
    assert [(p.where, p.reason) for p in published.placements] == [
        ("inline_single", "start line must precede the end line")
    ]
    body = desk.platform.inline[0].comments[0].body
    assert "Lines 3–5." in body
    assert "```diff\n-line 3 = 3" in body


def test_a_line_that_is_refused_ends_in_the_summary_when_the_file_is_refused_too() -> None:
    desk = Desk(MemoryPlatform(files=(CHANGE,), bad_lines={1}, bad_files={"src/cart.py"}))
    published = desk.post(reviewed(claim(1)))
    assert [(p.where, p.reason) for p in published.placements] == [("summary", "file comments are not possible here")]
    nothing_lost(published, desk.platform, [claim(1)])
    desk.platform.log.clear()
    again = desk.post(reviewed(claim(1)))
    assert desk.platform.log == []
    assert [(p.where, p.reason) for p in again.placements] == [("summary", "the platform refused it inline before")]
    desk.push(NEXT)
    assert len(desk.plan(reviewed(claim(1), head=NEXT)).create) == 1


def test_a_finding_outside_the_change_is_annotated_and_stands_in_the_summary() -> None:
    desk = Desk()
    out = claim(9, path="elsewhere.py", anchor="none")
    published = desk.post(reviewed(out))
    assert where(published) == {out.fingerprint: "summary"}
    assert [note.path for note in desk.platform.statuses[0].notes] == ["elsewhere.py"]
    nothing_lost(published, desk.platform, [out])


def test_leftovers_of_a_run_that_died_are_discarded_first() -> None:
    desk = Desk(MemoryPlatform(files=(CHANGE,), pending=["loom"]))
    published = desk.post(reviewed(*THREE))
    assert desk.platform.pending == []
    assert [n.slug for n in published.notices] == ["leftovers"]
    nothing_lost(published, desk.platform, THREE)


def test_a_persons_unsent_review_is_left_alone_and_everything_goes_to_the_summary() -> None:
    desk = Desk(MemoryPlatform(files=(CHANGE,), pending=["human"]))
    published = desk.post(reviewed(*THREE))
    assert desk.platform.pending == ["human"]
    assert {(p.where, p.reason) for p in published.placements} == {
        ("summary", "User can only have one pending review per pull request")
    }
    assert desk.platform.writes.count("post_single") <= 3
    nothing_lost(published, desk.platform, THREE)
    desk.platform.pending = []
    assert where(desk.post(reviewed(*THREE))) == dict.fromkeys([f.fingerprint for f in THREE], "inline")


def test_without_the_right_to_comment_findings_are_annotations() -> None:
    desk = Desk(MemoryPlatform(files=(CHANGE,), faults=[denied("post_review"), denied("create_comment")]))
    published = desk.post(reviewed(*THREE))
    assert {(p.where, p.reason) for p in published.placements} == {("annotation", "Resource not accessible")}
    assert published.delivered is True
    assert any("pull-requests: write" in n.hint for n in published.notices)


def test_without_any_right_the_jobs_own_channel_carries_them_and_else_nothing_does() -> None:
    faults = [denied(verb) for verb in ("post_review", "create_comment", "set_status")]
    shown: list[Finding] = []

    def channel(findings: Sequence[Finding]) -> frozenset[str]:
        shown.extend(findings)
        return frozenset(f.fingerprint for f in findings)

    desk = Desk(MemoryPlatform(files=(CHANGE,), faults=faults), about={"channel": channel})
    published = desk.post(reviewed(*THREE))
    assert shown == list(THREE)
    assert {p.where for p in published.placements} == {"annotation"}
    assert published.delivered is True
    alone = Desk(MemoryPlatform(files=(CHANGE,), faults=faults))
    published = alone.post(reviewed(*THREE))
    assert {p.where for p in published.placements} == {"log"}
    assert published.delivered is False
    assert published.result.outcome.exit_code == 4


def test_a_thread_that_cannot_be_resolved_is_marked_as_fixed_and_folded() -> None:
    desk = Desk()
    desk.platform.profile = replace(EVERY, caps=ALL & ~(Cap.RESOLVE | Cap.DELETE_COMMENT))
    desk.post(reviewed(claim(1)))
    desk.push(NEXT)
    desk.platform.log.clear()
    desk.post(reviewed(head=NEXT))
    assert desk.platform.writes == ["edit_comment", "minimise", "set_status", "edit_comment"]
    assert desk.platform.inline[0].comments[0].body.startswith("✅ **Fixed: no longer found at `1111111111`.**\n\n⚠️")
    desk.platform.log.clear()
    desk.post(reviewed(head=NEXT))
    assert desk.platform.log == []
    desk.push("2" * 40)
    published = desk.post(reviewed(claim(1), head="2" * 40))
    assert where(published) == {claim(1).fingerprint: "inline"}


def test_a_thread_is_not_answered_before_it_is_resolved() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    desk.platform.faults = [denied("resolve")]
    desk.post(reviewed())
    assert "reply" not in desk.platform.log
    assert "✅ **Fixed" in desk.platform.inline[0].comments[0].body


@pytest.mark.parametrize("error", [ERRORS["403"], ERRORS["404"]])
def test_a_summary_that_cannot_be_edited_or_is_gone_is_posted_anew(error: Callable[[], PlatformError]) -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    desk.platform.faults = [Fault("edit_comment", error, 0)]
    published = desk.post(reviewed(claim(1), claim(2)))
    assert published.delivered is True
    assert len(desk.platform.summaries) == 2
    assert claim(2).title in desk.platform.summaries[-1]


def test_a_summary_somebody_deleted_is_posted_anew() -> None:
    desk = Desk()
    desk.post(reviewed(claim(1)))
    desk.platform.remove(desk.platform.stored[-1])
    desk.post(reviewed(claim(1)))
    assert len(desk.platform.summaries) == 1
    assert spoken(desk.platform) == {claim(1).fingerprint: 1}


def test_a_thousand_findings_over_three_thousand_files_fit_into_the_summary() -> None:
    files = tuple(long_file(f"src/module{n}/part.py", 2) for n in range(3_000))
    many = [
        claim(n + 1, path=f"src/module{n}/part.py", line=1, end_line=1, quote=None, message="word " * 60)
        for n in range(1_000)
    ]
    desk = Desk(MemoryPlatform(files=files))
    published = desk.post(reviewed(*many, files=files))
    assert len(desk.platform.summaries[0]) <= 65_000
    assert Counter(where(published).values()) == {"inline": 20, "summary": 980}
    desk.platform.log.clear()
    again = desk.post(reviewed(*many, files=files))
    assert desk.platform.log == []
    assert Counter(where(again).values()) == {"deduped": 20, "summary": 980}


def test_a_body_that_is_too_long_all_the_same_is_halved_and_keeps_its_marker() -> None:
    desk = Desk(MemoryPlatform(files=(CHANGE,)), Output(max_comments=0))
    plan = desk.plan(reviewed(*(claim(n, message="word " * 500) for n in range(1, 300))))
    desk.platform.true_limit = 40_000
    published = desk.execute(plan)
    assert len(desk.platform.summaries[0]) <= 40_000
    assert published.delivered is True
    assert SEAL.read(desk.platform.summaries[0], by_self=True) is not None


def test_an_approval_of_ones_own_pull_request_leaves_the_comments() -> None:
    desk = Desk(output=Output(review_action="approve"))
    desk.platform.pr = replace(desk.platform.pr, author=desk.platform.user)
    published = desk.post(reviewed(claim(1)))
    assert where(published) == {claim(1).fingerprint: "inline"}
    assert [n.message for n in published.notices] == ["the approval was refused: Can not approve your own pull request"]
    assert desk.platform.verdicts == []


def test_a_verdict_is_given_once_for_a_head() -> None:
    desk = Desk(output=Output(review_action="approve"))
    desk.post(reviewed())
    desk.post(reviewed())
    assert [v for v, _ in desk.platform.verdicts] == ["approve"]
    desk.push(NEXT)
    desk.post(reviewed(head=NEXT))
    assert [v for v, _ in desk.platform.verdicts] == ["approve", "approve"]


def test_a_status_that_is_denied_costs_a_notice() -> None:
    desk = Desk(MemoryPlatform(files=(CHANGE,), faults=[denied("set_status")]))
    published = desk.post(reviewed(claim(1)))
    assert published.delivered is True
    assert [n.message for n in published.notices] == ["the status could not be posted: Resource not accessible"]


def test_with_a_spent_rate_limit_the_summary_goes_first_and_inline_follows_in_the_next_run() -> None:
    desk = Desk(MemoryPlatform(files=(CHANGE,), faults=[Fault("post_review", ERRORS["429"])]))
    published = desk.post(reviewed(*THREE))
    assert desk.platform.writes == ["post_review", "create_comment", "set_status"]
    assert {(p.where, p.reason) for p in published.placements} == {("summary", "secondary rate limit")}
    nothing_lost(published, desk.platform, THREE)
    assert where(desk.post(reviewed(*THREE))) == dict.fromkeys([f.fingerprint for f in THREE], "inline")


def test_an_incomplete_review_is_neutral_and_never_a_success() -> None:
    desk = Desk()
    failed = (replace(MODEL, status="failed", reason="the model did not answer"),)
    published = desk.post(reviewed(outcome=replace(FINE, complete=False, exit_code=3), pipelines=failed))
    assert [s.state for s in desk.platform.statuses] == ["neutral"]
    assert published.result.outcome.exit_code == 3
    assert "Not everything was reviewed" in desk.platform.summaries[0]


# ---- never twice


@pytest.mark.parametrize("acts", [True, False])
@pytest.mark.parametrize("verb", ["post_review", "create_comment", "set_status"])
def test_a_write_without_an_answer_is_looked_up_before_it_is_repeated(verb: str, acts: bool) -> None:
    desk = Desk(MemoryPlatform(files=(CHANGE,), faults=[lost(verb, acts=acts)]))
    published = desk.post(reviewed(*THREE))
    assert len(desk.platform.summaries) == 1
    nothing_lost(published, desk.platform, THREE)
    assert set(where(published).values()) == {"inline"}
    if verb != "set_status":
        assert desk.platform.log.index("threads") > desk.platform.log.index(verb)


def test_a_single_comment_without_an_answer_is_not_repeated() -> None:
    faults = [Fault("post_review", ERRORS["422"]), lost("post_single", 2), lost("post_single", 3, acts=False)]
    desk = Desk(MemoryPlatform(files=(CHANGE,), faults=faults))
    published = desk.post(reviewed(*THREE))
    assert set(where(published).values()) == {"inline"}
    nothing_lost(published, desk.platform, THREE)


def test_two_runs_at_once_leave_one_comment_for_each_finding_and_one_summary() -> None:
    desk = Desk()
    first, second = desk.plan(reviewed(*THREE)), desk.plan(reviewed(*THREE))
    pr = desk.platform.now()
    one, two = desk.execute(first, pr), desk.execute(second, pr)
    nothing_lost(one, desk.platform, THREE)
    nothing_lost(two, desk.platform, THREE)
    assert len(desk.platform.summaries) == 1
    assert set(where(two).values()) == {"deduped"}


@pytest.mark.parametrize("unseen", [True, False])
@pytest.mark.parametrize("deletes", [True, False])
@pytest.mark.parametrize("moment", ["post_review", "set_status", "create_comment"])
def test_two_runs_that_post_in_the_same_moment_take_the_newer_comments_back(
    moment: str, deletes: bool, unseen: bool
) -> None:
    caps = ALL if deletes else ALL & ~Cap.DELETE_COMMENT
    desk = Desk(MemoryPlatform(files=(CHANGE,), profile=replace(EVERY, caps=caps), unseen=unseen))
    plan, other, pr = desk.plan(reviewed(*THREE)), desk.plan(reviewed(*THREE)), desk.platform.now()
    rival = Desk(desk.platform)

    def meanwhile(verb: str) -> None:
        if verb == moment:
            desk.platform.after = lambda _: None
            with ThreadPoolExecutor(1) as elsewhere:  # another event loop
                elsewhere.submit(rival.execute, other, pr).result()

    desk.platform.after = meanwhile
    published = desk.execute(plan, pr)
    nothing_lost(published, desk.platform, THREE)
    own = [SEAL.read(body, by_self=True) for body in desk.platform.summaries]
    assert [marker.state for marker in own if marker].count("open") == 1
    desk.platform.log.clear()
    desk.post(reviewed(*THREE))
    assert spoken(desk.platform) == dict.fromkeys([f.fingerprint for f in THREE], 1)


def test_a_head_that_moved_before_posting_stops_everything() -> None:
    desk = Desk()
    plan = desk.plan(reviewed(*THREE))
    desk.push(NEXT)
    published = desk.execute(plan)
    assert desk.platform.stored == []
    assert desk.platform.statuses == []
    assert published.stale
    assert published.result.outcome.exit_code == 0
    assert published.result.outcome.skipped == "stale: the head is 1111111111 now, 9b2d1c0e8f was reviewed"
    assert sorted(where(published)) == sorted(f.fingerprint for f in THREE)


def test_a_head_that_moves_while_posting_stops_the_rest() -> None:
    desk = Desk()

    def moves(verb: str) -> None:
        if verb == "post_review":
            desk.push(NEXT)

    desk.platform.after = moves
    published = desk.post(reviewed(*THREE))
    assert published.stale
    assert desk.platform.summaries == []
    assert set(where(published).values()) == {"inline"}


def test_with_the_token_replaced_and_a_key_nothing_is_posted_again() -> None:
    desk = Desk(seal=Seal(repo="acme/shop", number=12, key="k"))
    desk.post(reviewed(*THREE))
    desk.platform.user = "loom-new[bot]"
    desk.platform.log.clear()
    published = desk.post(reviewed(*THREE))
    assert desk.platform.log == []
    assert set(where(published).values()) == {"deduped"}


def test_peoples_comments_are_never_touched() -> None:
    desk = Desk()
    desk.platform.say("What is this?", "ada")
    desk.post(reviewed(*THREE))
    desk.platform.answer(desk.platform.inline[0], "ada", "Is it?")
    before = [(c.author, c.body) for t in desk.platform.stored for c in t.comments if c.author == "ada"]
    desk.push(NEXT)
    desk.post(reviewed(head=NEXT))
    after = [(c.author, c.body) for t in desk.platform.stored for c in t.comments if c.author == "ada"]
    assert after == before
    assert not desk.platform.inline[0].resolved


# ---- every fault, then the same run again


@pytest.mark.parametrize("error", sorted(ERRORS))
@pytest.mark.parametrize("verb", WRITES)
@pytest.mark.parametrize("always", [True, False])
def test_whatever_a_request_answers_nothing_is_lost_and_the_next_run_mends_it(
    verb: str, error: str, always: bool
) -> None:
    desk = Desk()
    desk.post(reviewed(claim(1), claim(2, severity=Severity.INFO)))
    desk.push(NEXT)
    desk.platform.bad_lines = {4}
    review = reviewed(claim(2, severity=Severity.INFO), claim(3), claim(4), head=NEXT)
    desk.platform._calls.clear()
    desk.platform.faults = [Fault(verb, ERRORS[error], 0 if always else 1)]
    published = desk.post(review)
    nothing_lost(published, desk.platform, review.findings)
    desk.platform.faults = []
    published = desk.post(review)
    nothing_lost(published, desk.platform, review.findings)
    assert published.delivered is True
    stubborn = verb == "post_single" and error == "422"  # refused everywhere: not tried again at this head
    assert sum(spoken(desk.platform).values()) == 3 or stubborn
    desk.platform.log.clear()
    desk.post(review)
    assert desk.platform.log == []


class Killed(BaseException):
    """Kill -9: nothing of ours runs after it."""


@pytest.mark.parametrize("acts", [True, False])
@pytest.mark.parametrize("at", range(12))
def test_a_run_that_is_killed_at_any_write_is_finished_by_the_next_one(at: int, acts: bool) -> None:
    desk = Desk()
    desk.post(reviewed(claim(1), claim(2)))
    desk.push(NEXT)
    desk.platform.bad_lines = {5}
    review = reviewed(claim(2), *(claim(n) for n in range(3, 6)), head=NEXT)
    seen: list[str] = []

    def kill(verb: str) -> None:
        seen.append(verb)
        if len(seen) == at + 1 and not acts:
            raise Killed
        if len(seen) == at + 2 and acts:
            raise Killed

    desk.platform.after = kill
    with contextlib.suppress(Killed):
        desk.post(review)
    desk.platform.after = lambda _: None
    published = desk.post(review)
    nothing_lost(published, desk.platform, review.findings)
    assert len(desk.platform.summaries) == 1
    assert sum(spoken(desk.platform).values()) == 4


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.builds(
            lambda verb, error, at, acts: Fault(verb, ERRORS[error], at, acts and error == "reset"),
            st.sampled_from(WRITES), st.sampled_from(sorted(ERRORS)), st.integers(1, 4), st.booleans(),
        ),
        max_size=4,
    ),
    st.sets(st.integers(1, 8)),
    st.sets(st.integers(1, 8)),
)  # fmt: skip
def test_any_run_of_faults_converges(faults: list[Any], first: set[int], second: set[int]) -> None:
    desk = Desk(MemoryPlatform(files=(CHANGE,), faults=faults, bad_lines={4}))
    one = reviewed(*(claim(n) for n in sorted(first)))
    nothing_lost(desk.post(one), desk.platform, one.findings)
    desk.push(NEXT)
    two = reviewed(*(claim(n) for n in sorted(second)), head=NEXT)
    nothing_lost(desk.post(two), desk.platform, two.findings)
    desk.platform.faults = []
    published = desk.post(two)
    nothing_lost(published, desk.platform, two.findings)
    assert published.delivered is True
    assert desk.plan(two).create == ()
    desk.platform.log.clear()
    desk.post(two)
    assert desk.platform.log == []
