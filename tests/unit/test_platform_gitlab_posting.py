"""Posting on GitLab: draft notes that nobody checks and that are published all together, ranges, suggestions, quick
actions, verdicts. Afterwards the test looks at what stands on the merge request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.forge.core import Pull
from support.forge.faults import Fault
from support.forge.gitlab_desk import NOWHERE, RANGE, context, draft, read, review, said, threads
from support.forge.gitlab_state import DraftNote
from support.forge.rig import CHANGE, Rig, rig

from loom.infra.text import to_comment
from loom.platforms.base import (
    DeniedError,
    DownError,
    LimitedError,
    Platform,
    PlatformError,
    RejectedError,
    StaleError,
)
from loom.platforms.values import Anchor, Posted

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # openapi-core's, not ours


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Rig]:
    with rig("gitlab", tmp_path) as made:
        yield made


@pytest.fixture
def pull(forge: Rig) -> Pull:
    forge.forge.add_user("alice", "write")
    return forge.forge.open_pull(CHANGE, author="alice")


# -- posting ----------------------------------------------------------------------------------------------------------


def test_a_review_is_staged_looked_at_and_published_at_once(forge: Rig, pull: Pull) -> None:
    posted = review(forge, pull, [draft(forge, pull, f"f{n}", context(n)) for n in (7, 8, 9)])
    assert [p.ok for p in posted] == [True, True, True]
    assert [p.comment_id for p in posted] == [str(s.id) for s in forge.forge.inline(pull.number)]
    assert len(forge.server.requests("POST", "draft_notes$")) == 3
    assert len(forge.server.requests("POST", "bulk_publish")) == 1
    assert forge.fake.drafts == []


def test_a_comment_that_was_there_before_is_not_taken_for_the_new_one(forge: Rig, pull: Pull) -> None:
    old = review(forge, pull, [draft(forge, pull, "a")])
    new = review(forge, pull, [draft(forge, pull, "a")])  # told again after it was settled
    assert [p.ok for p in (*old, *new)] == [True, True]
    assert [p.comment_id for p in (*old, *new)] == [str(s.id) for s in forge.forge.inline(pull.number)]


def test_a_draft_that_gitlab_finds_no_line_for_is_taken_back_before_it_can_break_the_rest(
    forge: Rig, pull: Pull
) -> None:
    posted = review(forge, pull, [draft(forge, pull, "good"), draft(forge, pull, "bad", NOWHERE)])
    assert [(p.ok, p.why) for p in posted] == [(True, None), (False, "GitLab finds no such line in the diff")]
    assert said(forge, pull) == ["good"]
    assert forge.fake.drafts == []
    bulk = forge.server.requests("POST", "bulk_publish")
    assert [entry.response and entry.response.status for entry in bulk] == [204]


def test_a_publish_that_breaks_off_in_the_middle_is_finished_one_by_one(forge: Rig, pull: Pull) -> None:
    forge.fake.quirks.codes = False  # a server that does not tell which drafts are bad
    names = ["one", "bad", "two", "three"]
    drafts = [draft(forge, pull, name, NOWHERE if name == "bad" else context(8)) for name in names]
    posted = review(forge, pull, drafts)
    assert [(p.fingerprint, p.ok) for p in posted] == [("one", True), ("bad", False), ("two", True), ("three", True)]
    assert posted[1].why == "500 Internal Server Error"
    assert said(forge, pull) == ["one", "three", "two"]
    assert forge.fake.drafts == [], "or every later review would break"
    assert [p.ok for p in review(forge, pull, [draft(forge, pull, "four")])] == [True]


def test_a_range_that_gitlab_refuses_is_posted_at_its_last_line_with_the_reason(forge: Rig, pull: Pull) -> None:
    forge.fake.quirks.ranges = False
    forge.fake.quirks.codes = False
    posted = review(forge, pull, [draft(forge, pull, "batch", RANGE)])
    assert [(p.ok, p.why) for p in posted] == [(True, "500 Internal Server Error")]

    async def single(p: Platform) -> Posted:
        return await p.post_single(await p.pull_request(), draft(forge, pull, "single", RANGE))

    alone = forge.run(pull, single)
    assert alone.ok
    assert (alone.why or "").startswith("at its last line only: 400 Bad request - Note {:line_code=>")
    assert [(talk.line, talk.start_line) for talk in forge.forge.talks_of(pull.number)] == [(11, None)] * 2


@pytest.mark.parametrize(
    ("anchor", "start"),
    [
        (RANGE, 10),
        (Anchor(path="app.py", start_line=7, start_old_line=7, start_kind="context", line=11, kind="added"), 7),
        (Anchor(path="new file.py", start_line=1, start_kind="added", line=2, kind="added"), 1),
        (Anchor(path="old.txt", side="old", start_line=1, start_kind="removed", line=3, kind="removed"), 1),
    ],
    ids=["added", "context-to-added", "new-file", "deleted-file"],
)
def test_a_range_names_both_ends_with_their_codes(forge: Rig, pull: Pull, anchor: Anchor, start: int) -> None:
    assert [p.ok for p in review(forge, pull, [draft(forge, pull, "a", anchor)])] == [True]
    assert [(talk.line, talk.start_line) for talk in forge.forge.talks_of(pull.number)] == [(anchor.line, start)]


def test_without_the_diff_a_range_is_posted_at_its_last_line(forge: Rig, pull: Pull) -> None:
    forge.server.faults.add(Fault(path="/raw_diffs|/diffs", status=403, times=0))
    assert [p.ok for p in review(forge, pull, [draft(forge, pull, "a", RANGE)])] == [True]
    assert [(talk.line, talk.start_line) for talk in forge.forge.talks_of(pull.number)] == [(11, None)]


def test_a_comment_in_a_renamed_file_names_both_paths(forge: Rig) -> None:
    forge.forge.add_user("alice", "write")
    moved = "".join(f"line {n}\n" for n in range(1, 61)).replace("line 20\n", "line twenty\n")
    pull = forge.forge.open_pull({"app.py": None, "main.py": moved}, author="alice")
    anchors = [
        Anchor(path="main.py", old_path="app.py", line=20, kind="added"),
        Anchor(path="main.py", old_path="app.py", side="old", line=20, kind="removed"),
        Anchor(path="main.py", old_path="app.py"),
    ]
    drafts = [draft(forge, pull, f"f{n}", anchor) for n, anchor in enumerate(anchors)]
    assert [p.ok for p in review(forge, pull, drafts)] == [True, True, True]
    assert [(t.path, t.line, t.side) for t in threads(forge, pull)] == [
        ("main.py", 20, "new"), ("main.py", 20, "old"), ("main.py", None, "new"),
    ]  # fmt: skip


def test_leftovers_of_a_run_that_died_go_and_a_persons_drafts_stay_unsent(forge: Rig, pull: Pull) -> None:
    bob = forge.forge.add_user("bob", "write")
    token = forge.forge.add_token("bob", api="write")  # a person's own token
    left = draft(forge, pull, "left", NOWHERE)
    forge.fake.drafts += [
        DraftNote(1, pull.number, bob, "not finished yet", None),
        DraftNote(2, pull.number, bob, f"left\n\n<!-- {left.marker} -->", {"position_type": "text"}),
        DraftNote(3, pull.number, forge.forge.users["alice"], f"hers\n\n<!-- {left.marker} -->", None),
    ]
    posted = review(forge, pull, [draft(forge, pull, "a"), draft(forge, pull, "b", context(8))], token=token)
    assert [p.ok for p in posted] == [True, True]
    assert said(forge, pull) == ["a", "b"]
    assert [d.id for d in forge.fake.drafts] == [1, 3]
    assert forge.server.requests("POST", "bulk_publish") == [], "it would have sent the person's draft"


def test_two_runs_that_stage_the_same_comments_post_them_once(forge: Rig, pull: Pull) -> None:
    drafts = [draft(forge, pull, "a"), draft(forge, pull, "b", context(8))]

    def other_run_stages() -> None:
        forge.fake.drafts += [
            DraftNote(forge.forge.next_id(), d.pull, d.author, d.note, d.position) for d in list(forge.fake.drafts)
        ]

    forge.server.faults.add(Fault("call", method="GET", path="draft_notes", nth=2, call=other_run_stages))
    posted = review(forge, pull, drafts)
    assert [p.ok for p in posted] == [True, True]
    assert said(forge, pull) == ["a", "b"]
    assert forge.fake.drafts == []


def test_drafts_that_another_run_published_meanwhile_count_as_posted(forge: Rig, pull: Pull) -> None:
    def other_run_publishes() -> None:
        for left in list(forge.fake.drafts):
            forge.fake.publish(left)

    forge.server.faults.add(Fault("call", method="GET", path="draft_notes", nth=2, call=other_run_publishes))
    assert [p.ok for p in review(forge, pull, [draft(forge, pull, "a")])] == [True]
    assert said(forge, pull) == ["a"]


def test_drafts_that_another_run_threw_away_are_not_said_to_be_posted(forge: Rig, pull: Pull) -> None:
    forge.server.faults.add(Fault("call", method="GET", path="draft_notes", nth=2, call=forge.fake.drafts.clear))
    assert [(p.ok, p.why) for p in review(forge, pull, [draft(forge, pull, "a")])] == [(False, None)]


@pytest.mark.parametrize("how", ["hang", "reset", "truncate"])
def test_a_publish_without_an_answer_is_looked_after_before_anything_is_sent_again(
    forge: Rig, pull: Pull, how: Any
) -> None:
    forge.server.faults.add(Fault(how, method="POST", path="bulk_publish", acted=True))
    posted = review(forge, pull, [draft(forge, pull, "a"), draft(forge, pull, "b", context(8))], timeout_s=0.3)
    assert [p.ok for p in posted] == [True, True]
    assert said(forge, pull) == ["a", "b"]


def test_a_server_without_draft_notes_gets_one_discussion_after_the_other(forge: Rig, pull: Pull) -> None:
    forge.fake.quirks.draft_notes = False
    posted = review(forge, pull, [draft(forge, pull, "a"), draft(forge, pull, "bad", NOWHERE)])
    assert [p.ok for p in posted] == [True, False]
    assert (posted[1].why or "").startswith("400 Bad request - Note")
    assert said(forge, pull) == ["a"]


def test_a_run_that_dies_at_any_write_is_completed_by_the_next_one(tmp_path: Path) -> None:
    """From the n-th write on nothing gets through any more; then a second run."""
    names = {f"f{n}" for n in (7, 8, 9)}
    for nth in range(1, 8):
        with rig("gitlab", tmp_path / str(nth)) as forge:
            forge.forge.add_user("alice", "write")
            pull = forge.forge.open_pull(CHANGE, author="alice")
            drafts = [draft(forge, pull, f"f{n}", context(n)) for n in (7, 8, 9)]
            forge.server.faults.add(Fault("reset", method="POST|PUT|DELETE", nth=nth, times=0, acted=nth % 2 == 0))
            with contextlib.suppress(DownError):
                review(forge, pull, drafts)
            forge.server.faults.clear()
            there = set(said(forge, pull))
            review(forge, pull, [d for d in drafts if d.fingerprint not in there])
            assert said(forge, pull) == sorted(names), f"dead at write {nth}"
            assert forge.fake.drafts == []


@pytest.mark.parametrize("status", [401, 403, 409, 422, 500])
def test_a_write_that_is_refused_anywhere_loses_and_doubles_nothing(tmp_path: Path, status: int) -> None:
    for nth in range(1, 6):
        with rig("gitlab", tmp_path / str(nth)) as forge:
            forge.forge.add_user("alice", "write")
            pull = forge.forge.open_pull(CHANGE, author="alice")
            drafts = [draft(forge, pull, f"f{n}", context(n)) for n in (7, 8, 9)]
            forge.server.faults.add(Fault(method="POST|PUT|DELETE", nth=nth, status=status))
            try:
                posted = {p.fingerprint for p in review(forge, pull, drafts) if p.ok}
            except PlatformError:
                posted = set()
            assert said(forge, pull) == sorted(posted)
            review(forge, pull, [d for d in drafts if d.fingerprint not in posted])
            assert said(forge, pull) == ["f7", "f8", "f9"]


def test_a_head_that_moved_is_noticed_before_anything_is_posted(forge: Rig, pull: Pull) -> None:
    pr = read(forge, pull)
    old = draft(forge, pull, "a")
    forge.forge.push(pull, {"app.py": "gone\n"})

    async def go(p: Platform) -> Any:
        return await p.post_review(pr, [old], "", "comment")

    with pytest.raises(StaleError, match="another head"):
        forge.run(pull, go)
    assert forge.server.writes == []


def test_sixty_notes_a_minute_are_kept_without_being_told(forge: Rig, pull: Pull) -> None:
    forge.fake.quirks.clock = forge.time

    async def go(p: Platform) -> None:
        pr = await p.pull_request()
        for n in range(100):
            await p.create_comment(pr, f"note {n}")

    forge.run(pull, go)
    statuses = {entry.response.status for entry in forge.server.writes if entry.response}
    assert statuses == {201}
    assert len(forge.forge.general(pull.number)) == 100
    assert 120 <= forge.time.now <= 160


def test_a_review_of_thirty_comments_is_not_slowed_down(forge: Rig, pull: Pull) -> None:
    forge.fake.quirks.clock = forge.time
    review(forge, pull, [draft(forge, pull, f"f{n}", context(8)) for n in range(30)])
    assert forge.time.now == 0
    assert len(forge.server.journal) <= 42


def test_waiting_for_another_note_ends_with_the_time_for_the_run(forge: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> None:
        pr = await p.pull_request()
        for n in range(40):
            await p.create_comment(pr, f"note {n}")

    with pytest.raises(LimitedError, match="60 a minute"):
        forge.run(pull, go, deadline=5.0)


# -- text -------------------------------------------------------------------------------------------------------------


def test_a_suggestion_counts_its_lines_from_the_last_one(forge: Rig, pull: Pull) -> None:
    one = draft(forge, pull, "a", RANGE, suggestion="both\nlines")
    review(forge, pull, [one])
    body = forge.forge.inline(pull.number)[0].body
    assert body == f"**a**\n\n```suggestion:-1+0\nboth\nlines\n```\n\n<!-- {one.marker} -->"


def test_a_suggestion_to_delete_lines_has_no_line(forge: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> tuple[str, str]:
        return p.suggestion(draft(forge, pull, "a", RANGE, suggestion="")), p.suggestion(draft(forge, pull, "a"))

    assert forge.run(pull, go) == ("```suggestion:-1+0\n```", "")


@pytest.mark.parametrize(
    ("anchor", "text", "committable"),
    [
        (Anchor(path="app.py", line=11, kind="added"), "x", True),
        (Anchor(path="app.py", line=101, start_line=1, kind="added", start_kind="added"), "x", True),
        (Anchor(path="app.py", line=102, start_line=1, kind="added", start_kind="added"), "x", False),
        (Anchor(path="app.py", side="old", line=30, kind="removed"), "x", False),
        (Anchor(path="app.py"), "x", False),
        (Anchor(path="app.py", line=11, kind="added"), "build\n/close", False),
        (Anchor(path="app.py", line=11, kind="added"), "a\u202eb", False),
        (Anchor(path="app.py", line=11, kind="added"), "", True),
    ],
    ids=["one", "hundred-above", "too-many", "old-side", "file", "quick-action", "bidi", "delete-the-line"],
)
def test_only_what_can_be_committed_as_it_is_becomes_a_suggestion(
    forge: Rig, pull: Pull, anchor: Anchor, text: str, committable: bool
) -> None:
    async def go(p: Platform) -> str:
        return p.suggestion(draft(forge, pull, "a", anchor, suggestion=text))

    assert forge.run(pull, go).startswith("```suggestion:-") == committable


def test_no_text_that_loom_posts_acts_as_a_quick_action(forge: Rig, pull: Pull) -> None:
    hostile = "/close\n\nfine\n/merge\n```\n/approve\n```\n> quoted\n  /label ~x\n/unassign @a"

    async def go(p: Platform) -> None:
        pr = await p.pull_request()
        await p.create_comment(pr, to_comment(hostile, gitlab=True))
        await p.post_review(pr, [draft(forge, pull, "a", suggestion="/close")], "", "comment")
        await p.create_comment(pr, "as it is:\n/close")  # what the fake would have done

    forge.run(pull, go)
    assert forge.fake.commands == ["close"]
    assert len(forge.forge.general(pull.number)) == 2


# -- verdicts ---------------------------------------------------------------------------------------------------------


def test_an_approval_is_given_for_the_head_that_was_reviewed(forge: Rig, pull: Pull) -> None:
    review(forge, pull, [draft(forge, pull, "a")], "approve")
    assert forge.fake.approvals == {pull.number: {"loom-bot"}}
    sent = forge.server.requests("POST", "approve$")[0].request.json
    assert sent == {"sha": pull.head}
    review(forge, pull, [], "approve")  # once more is fine


def test_an_approval_of_a_head_that_moved_is_not_given_and_nothing_is_posted(forge: Rig, pull: Pull) -> None:
    forge.server.faults.add(
        Fault("call", method="POST", path="approve$", call=lambda: forge.forge.push(pull, {"x.txt": "x\n"}))
    )
    with pytest.raises(StaleError):
        review(forge, pull, [draft(forge, pull, "a")], "approve")
    assert forge.forge.said == []
    assert forge.fake.approvals.get(pull.number, set()) == set()


def test_an_approval_that_is_not_ours_to_give_is_denied_before_anything_is_posted(forge: Rig) -> None:
    pull = forge.forge.open_pull(CHANGE, author="loom-bot")
    with pytest.raises(DeniedError) as caught:
        review(forge, pull, [draft(forge, pull, "a")], "approve")
    assert "author" in caught.value.hint
    assert forge.forge.said == []


def test_a_request_for_changes_goes_out_with_the_comments(forge: Rig, pull: Pull) -> None:
    review(forge, pull, [draft(forge, pull, "a")], "request_changes")
    assert forge.fake.states == [(pull.number, "loom-bot", "requested_changes")]
    assert said(forge, pull) == ["a"]
    review(forge, pull, [], "request_changes")
    assert len(forge.fake.states) == 2


def test_a_request_for_changes_never_sends_a_persons_drafts(forge: Rig, pull: Pull) -> None:
    forge.fake.drafts.append(DraftNote(1, pull.number, forge.forge.bot, "unfinished", None))
    with pytest.raises(RejectedError, match="unsent comments of a person"):
        review(forge, pull, [draft(forge, pull, "a")], "request_changes")
    assert [p.ok for p in review(forge, pull, [draft(forge, pull, "a")])] == [True]
    assert said(forge, pull) == ["a"]
    assert [d.note for d in forge.fake.drafts] == ["unfinished"]
